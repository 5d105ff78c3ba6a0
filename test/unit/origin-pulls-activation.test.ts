import * as pulumi from "@pulumi/pulumi";
import { afterEach, expect, test, vi } from "vitest";
import { createActivationHook } from "../../components/origin-pulls/activation.ts";
import { recordResources } from "./support/mocks.ts";

const warn = vi.spyOn(pulumi.log, "warn").mockResolvedValue(undefined);
afterEach(() => warn.mockClear());

// A hook registers itself with the engine as soon as it is created.
recordResources();

const uploaded = { id: "certificate-1" } as pulumi.ResourceHookArgs;

test("an uploaded certificate is waited for until it is in use", async () => {
  const answers = ["initializing", "pending_deployment", "active"];
  const asked: string[] = [];
  const hook = createActivationHook(
    "in use",
    "certificate",
    (id) => {
      asked.push(id);
      return Promise.resolve(answers[asked.length - 1] ?? "asked too often");
    },
    { every: 1 },
  );
  await hook.callback(uploaded);
  expect(asked).toEqual(["certificate-1", "certificate-1", "certificate-1"]);
  expect(warn).not.toHaveBeenCalled();
});

test("a certificate that never comes into use causes a warning and does not stop the deployment", async () => {
  const hook = createActivationHook("never", "certificate", () => Promise.resolve("pending_deployment"), {
    every: 1,
    patience: 20,
  });
  await hook.callback(uploaded);
  expect(warn).toHaveBeenCalledWith(expect.stringContaining("pending_deployment"));
  expect(hook.opts?.ignoreErrors).toBe(true);
});
