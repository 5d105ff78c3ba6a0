// What an owner could write into nginx's `http` block, for each directive that our servers set themselves: a value that
// would let somebody in, change a request or an answer, or keep it.

const PEM = "/etc/ssl/owner.pem";
const KEY = "/etc/ssl/owner.key";

/** Lines for the `http` block by the directive that they are about. */
export const HOSTILE: Readonly<Record<string, string>> = {
  access_log: "access_log /var/log/nginx/owner.log;",
  add_after_body: "add_after_body /api/server/ping;",
  add_before_body: "add_before_body /api/server/ping;",
  add_header: "add_header Access-Control-Allow-Origin * always;",
  allow: "allow 0.0.0.0/0; allow ::/0; satisfy any;",
  auth_basic: "auth_basic owner; auth_basic_user_file /dev/null;",
  auth_request: "auth_request off;",
  charset: "charset utf-16;",
  client_body_buffer_size: "client_body_buffer_size 1;",
  client_body_in_file_only: "client_body_in_file_only on;",
  client_body_timeout: "client_body_timeout 1ms;",
  client_header_buffer_size: "client_header_buffer_size 64k;",
  client_max_body_size: "client_max_body_size 1;",
  error_log: "error_log /var/log/nginx/owner.log debug;",
  error_page: "error_page 400 403 495 496 497 500 = /api/server/ping;",
  expires: "expires max;",
  ignore_invalid_headers: "ignore_invalid_headers off;",
  keepalive_requests: "keepalive_requests 1;",
  keepalive_timeout: "keepalive_timeout 0;",
  large_client_header_buffers: "large_client_header_buffers 1 512;",
  log_subrequest: "log_subrequest on;",
  merge_slashes: "merge_slashes off;",
  mirror: "mirror /api/server/ping;",
  proxy_bind: "proxy_bind 192.0.2.1;",
  proxy_buffer_size: "proxy_buffer_size 1k;",
  proxy_buffering: "proxy_buffering on;",
  proxy_buffers: "proxy_buffers 64 512k;",
  proxy_busy_buffers_size: "proxy_buffers 8 512k; proxy_busy_buffers_size 1m; proxy_temp_file_write_size 1m;",
  proxy_cache: "proxy_cache_path /tmp/owner keys_zone=owner:1m; proxy_cache owner; proxy_cache_valid any 10m;",
  proxy_cache_background_update: "proxy_cache_background_update on; proxy_cache_use_stale updating error;",
  proxy_cache_bypass: "proxy_cache_bypass 1;",
  proxy_cache_convert_head: "proxy_cache_convert_head off;",
  proxy_cache_lock: "proxy_cache_lock on;",
  proxy_cache_methods: "proxy_cache_methods POST;",
  proxy_cache_min_uses: "proxy_cache_min_uses 100;",
  proxy_cache_revalidate: "proxy_cache_revalidate on;",
  proxy_cache_use_stale: "proxy_cache_use_stale error timeout updating http_500 http_403;",
  proxy_cache_valid: "proxy_cache_valid any 10m; proxy_ignore_headers X-Accel-Expires;",
  proxy_connect_timeout: "proxy_connect_timeout 1ms;",
  proxy_cookie_domain: "proxy_cookie_domain ~. owner.example;",
  proxy_cookie_flags: "proxy_cookie_flags ~ nosecure nohttponly;",
  proxy_cookie_path: "proxy_cookie_path ~. /owner;",
  proxy_force_ranges: "proxy_force_ranges on;",
  proxy_headers_hash_bucket_size: "proxy_headers_hash_bucket_size 32;",
  proxy_headers_hash_max_size: "proxy_headers_hash_max_size 2;",
  proxy_hide_header: "proxy_hide_header Set-Cookie; proxy_hide_header X-Seen;",
  proxy_http_version: "proxy_http_version 1.0;",
  proxy_ignore_client_abort: "proxy_ignore_client_abort on;",
  proxy_ignore_headers: "proxy_ignore_headers X-Accel-Expires Expires Cache-Control Set-Cookie;",
  proxy_intercept_errors: "proxy_intercept_errors on; error_page 403 =200 /api/server/ping;",
  proxy_limit_rate: "proxy_limit_rate 1;",
  proxy_max_temp_file_size: "proxy_max_temp_file_size 1024m;",
  proxy_method: "proxy_method DELETE;",
  proxy_next_upstream: "proxy_next_upstream http_403 http_500 non_idempotent;",
  proxy_next_upstream_timeout: "proxy_next_upstream_timeout 1ms;",
  proxy_next_upstream_tries: "proxy_next_upstream_tries 100;",
  proxy_no_cache: "proxy_no_cache 1;",
  proxy_pass_header: "proxy_pass_header X-Accel-Expires; proxy_pass_header Server;",
  proxy_pass_request_body: "proxy_pass_request_body off;",
  proxy_pass_request_headers: "proxy_pass_request_headers off;",
  proxy_read_timeout: "proxy_read_timeout 1ms;",
  proxy_redirect: "proxy_redirect ~. https://owner.example/;",
  proxy_request_buffering: "proxy_request_buffering on;",
  proxy_send_timeout: "proxy_send_timeout 1ms;",
  proxy_set_header: "proxy_set_header X-Real-IP 10.0.0.1; proxy_set_header Host owner.example;",
  proxy_store: "proxy_store /tmp/owner-store;",
  proxy_temp_file_write_size: "proxy_temp_file_write_size 2m;",
  real_ip_header: "real_ip_header X-Real-IP;",
  real_ip_recursive: "real_ip_recursive on; real_ip_header X-Forwarded-For;",
  recursive_error_pages: "recursive_error_pages on; error_page 400 403 = /api/server/ping;",
  satisfy: "satisfy any; allow all;",
  send_timeout: "send_timeout 1ms;",
  server_tokens: "server_tokens on;",
  set_real_ip_from: "set_real_ip_from 0.0.0.0/0; real_ip_header X-Real-IP;",
  ssi: "ssi on; ssi_types *;",
  ssl_certificate: `ssl_certificate ${PEM}; ssl_certificate_key ${KEY};`,
  ssl_certificate_key: `ssl_certificate ${PEM}; ssl_certificate_key ${KEY};`,
  ssl_ciphers: "ssl_ciphers ALL:eNULL:aNULL:@SECLEVEL=0;",
  ssl_client_certificate: `ssl_client_certificate ${PEM};`,
  ssl_conf_command: `ssl_conf_command VerifyCAFile ${PEM}; ssl_conf_command VerifyMode Request;`,
  ssl_crl: "ssl_crl /etc/ssl/owner.crl;",
  ssl_dhparam: "ssl_dhparam /etc/ssl/owner.dh;",
  ssl_early_data: "ssl_early_data on;",
  ssl_ecdh_curve: "ssl_ecdh_curve secp521r1;",
  ssl_ocsp: "ssl_ocsp on; resolver 127.0.0.1;",
  ssl_protocols: "ssl_protocols TLSv1 TLSv1.1;",
  ssl_reject_handshake: "ssl_reject_handshake on;",
  ssl_session_cache: "ssl_session_cache shared:owner:1m;",
  ssl_session_tickets: "ssl_session_tickets on;",
  ssl_stapling: "ssl_stapling on; ssl_stapling_verify on;",
  ssl_trusted_certificate: `ssl_trusted_certificate ${PEM};`,
  ssl_verify_client: `ssl_verify_client optional_no_ca; ssl_client_certificate ${PEM};`,
  ssl_verify_depth: "ssl_verify_depth 0;",
  underscores_in_headers: "underscores_in_headers on;",
};

/** Lines for the `http` block that the step refuses, by the directive: nginx has no value that would undo them. */
export const REFUSED: Readonly<Record<string, string>> = {
  post_action: "post_action /api/server/ping;",
  proxy_set_body: "proxy_set_body owner;",
  sub_filter: "sub_filter immich owner;",
};

/** Names that can stand in one `http` block, with their lines: nginx takes most directives once. */
export function groups(size: number): string[][] {
  const directives = (name: string): readonly string[] => HOSTILE[name]?.match(/(?<=^|; )\w+/g) ?? [];
  const found: string[][] = [];
  for (const name of Object.keys(HOSTILE)) {
    const own = directives(name);
    const free = found.find(
      (group) => group.length < size && !group.flatMap(directives).some((one) => own.includes(one)),
    );
    if (free) free.push(name);
    else found.push([name]);
  }
  return found;
}
