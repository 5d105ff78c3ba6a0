// Waits until Cloudflare no longer presents a certificate for a host name, so that it can be deleted. `pulumi destroy`
// runs it on the workstation, without the program and perhaps from a later version of it; so it needs nothing but Node.
// release.ts puts a line before this file, which declares `association`.
/* global association */

const { url, token } = association;
const end = Date.now() + 300_000;
const pause = () => new Promise((resolve) => setTimeout(resolve, 1000));

for (let said = false; Date.now() < end; await pause()) {
  const answer = await fetch(url, {
    headers: { authorization: `Bearer ${token}` },
    redirect: "error",
    signal: AbortSignal.timeout(15_000),
  }).catch(() => undefined);
  // What keeps the API from answering keeps the provider from deleting, and the provider says so.
  if (!answer || (!answer.ok && answer.status < 500 && answer.status !== 429)) break;
  const { result } = answer.ok ? await answer.json().catch(() => ({})) : {};
  if (answer.ok && !["initializing", "pending_deployment", "pending_deletion"].includes(result?.status)) break;
  if (!said) console.error("waiting until Cloudflare no longer presents the origin-pull certificate");
  said = true;
}
