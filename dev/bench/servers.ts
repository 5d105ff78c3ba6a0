// What nginx on the host serves while it is measured: the deployed site again, in several forms.

import { setTimeout as sleep } from "node:timers/promises";
import { SITE, type World } from "../../test/e2e/support/world.ts";

const SITE_FILE = `/etc/nginx/sites-available/immich-access-${SITE}.conf`;
const BENCH_FILE = "/etc/nginx/conf.d/bench.conf";
const LARGE_FILE = "/var/tmp/immich-access-bench";
const [IMMICH, UPSTREAM] = ["127.0.0.1:2283", "127.0.0.1:2284"];

/** Bytes of a large upload or download. */
export const GIB = 2 ** 30;

/**
 * The site as it is; without the check of tokens; and without client certificates as well. All of them in front of a
 * server that answers at once. As it is in front of Immich, for uploads; and no more than a proxy, in front of both.
 */
export const [CHECKED, UNCHECKED, OPEN, UPLOADS, PLAIN] = [
  "checked.bench.localhost",
  "unchecked.bench.localhost",
  "open.bench.localhost",
  "uploads.bench.localhost",
  "plain.bench.localhost",
];
/** Where `CHECKED` and `PLAIN` have a file of two GiB, and `UPLOADS` and `PLAIN` lead to Immich. */
export const [DOWNLOAD_PATH, UPLOAD_PATH] = ["/api/assets/1/original", "/api/assets"];

/** Has nginx serve it. */
export async function serve(world: World): Promise<void> {
  const text = await onHost(world, `cat ${SITE_FILE}`);
  const named = (name: string, upstream: string) =>
    text
      .replaceAll(SITE, name)
      .replaceAll(`/etc/immich-access/${name}/`, `/etc/immich-access/${SITE}/`)
      // The verifier knows the site's application by its name.
      .replaceAll(/^( *proxy_pass http:.*verifier.*\/).*;$/gm, `$1${SITE};`)
      .replace(/proxy_pass http:\/\/[\d.:]+;/, `proxy_pass http://${upstream};`);
  const unchecked = (name: string) =>
    named(name, UPSTREAM).replace("auth_request /.immich-access/token;", "auth_request off;");
  const open = unchecked(OPEN)
    .replace(/^ *ssl_(client_certificate|verify_client) .*\n/gm, "")
    .replace("$ssl_client_verify != SUCCESS", "$ssl_client_verify != NONE");
  const servers = [
    named(CHECKED, UPSTREAM),
    unchecked(UNCHECKED),
    open,
    named(UPLOADS, IMMICH),
    plain(text),
    ANSWERING,
  ];
  await onHost(world, `truncate -s ${2 * GIB} ${LARGE_FILE} && chmod 644 ${LARGE_FILE}`);
  await onHost(world, `cat >${BENCH_FILE} && nginx -t && systemctl reload nginx`, servers.join("\n"));
  await onHost(world, `until ss -Hltn 'src = ${UPSTREAM}' | grep -q .; do sleep 0.1; done`);
  // The old workers still take connections for a moment.
  await sleep(2000);
}

/** Makes nginx serve what it did before. */
export async function stopServing(world: World): Promise<void> {
  await onHost(world, `rm ${BENCH_FILE} ${LARGE_FILE} && systemctl reload nginx`);
  await onHost(world, "rm -rf /run/immich-access-tokens-*.bench.localhost");
}

/** Runs a shell command line on the host; returns what it prints. */
export async function onHost({ sandbox }: World, command: string, input = ""): Promise<string> {
  const { code, stdout, stderr } = await sandbox.runOnHost(["sh", "-c", command], { input });
  if (code !== 0) throw new Error(`${command}: ${stderr}`);
  return stdout;
}

/** A proxy with the site's TLS and nothing else of it, that keeps nothing on the disk either. */
function plain(text: string): string {
  const tls = /^ *(listen|http2|ssl_(certificate|certificate_key|protocols|ciphers|session_\w+)) .*;$/gm;
  return `server {
  server_name ${PLAIN};
${(text.match(tls) ?? []).join("\n")}
  client_max_body_size 0;
  proxy_http_version 1.1;
  proxy_request_buffering off;
  proxy_max_temp_file_size 0;
  location = ${UPLOAD_PATH} { proxy_pass http://${IMMICH}; }
  location / { proxy_pass http://${UPSTREAM}; }
}`;
}

const ANSWERING = `server {
  listen ${UPSTREAM};
  access_log off;
  location / { return 200 pong; }
  location = ${DOWNLOAD_PATH} { alias ${LARGE_FILE}; }
}`;
