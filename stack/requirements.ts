import type { StackContext } from "./context.ts";
import { requireNotifications } from "./notifications.ts";
import { requireRoomForRules } from "./origin-rules.ts";
import { requireLogin } from "./ssh-login.ts";

/**
 * Makes sure that what the settings ask for is possible, before anything changes. Asks only for what they name.
 * @throws RunError about the first thing that is not, with the remedy
 */
export async function requirePossible(context: StackContext): Promise<void> {
  await requireLogin(context.settings);
  await requireRoomForRules(context);
  await requireNotifications(context);
}
