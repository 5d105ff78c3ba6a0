"""What a server inherits from nginx's `http` block, and why none of it can weaken our servers.

Each directive that nginx takes in `http` is one of three kinds:

- set by us: our server has the directive itself, in a template or by `resets`, so the block's does not count;
- harmless, by the reason in HARMLESS;
- refused: by name in REFUSED, and whatever is unknown here.

test/host/nginx-inheritance.test.ts compares this with the directives in the test host's nginx.
"""

import re
from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from agent.nginx.configuration import Directive

Version = tuple[int, ...]


class Reset(NamedTuple):
    """A directive that our servers set only so that they do not inherit it."""

    text: str
    # The first version of nginx that has it
    since: Version = ()
    # The option of nginx's build that brings it, `with-…`, or takes it away, `without-…`
    build: str = ""


# Where no comment says otherwise, the value is nginx's own default.
RESETS = (
    # A page of the owner's in place of an error would also answer in place of a refusal. No answer has the status 599.
    Reset("error_page 599 /"),
    Reset("recursive_error_pages off"),
    Reset("proxy_intercept_errors off"),
    # With `satisfy any` an address or a password would stand in for the token.
    Reset("satisfy all"),
    Reset("allow all", build="without-http_access_module"),
    Reset("auth_basic off", build="without-http_auth_basic_module"),
    # How nginx reads a request
    Reset("merge_slashes on"),
    Reset("underscores_in_headers off"),
    Reset("ignore_invalid_headers on"),
    Reset("client_header_buffer_size 1k"),
    Reset("large_client_header_buffers 4 8k"),
    Reset("real_ip_recursive off"),
    # Bodies and answers left on the disk, and requests sent or noted twice
    Reset("client_body_in_file_only off"),
    Reset("proxy_store off"),
    Reset("mirror off", build="without-http_mirror_module"),
    Reset("log_subrequest off"),
    # The answer, as the upstream has given it. An empty value adds nothing.
    Reset('add_header X-Immich-Access ""'),
    Reset("add_header_inherit off", since=(1, 29, 3)),
    Reset("expires off"),
    Reset("charset off", build="without-http_charset_module"),
    Reset("ssi off", build="without-http_ssi_module"),
    Reset('add_before_body ""', build="with-http_addition_module"),
    Reset('add_after_body ""', build="with-http_addition_module"),
    Reset("proxy_cookie_domain off"),
    Reset("proxy_cookie_path off"),
    Reset("proxy_cookie_flags off", since=(1, 19, 3)),
    # These are hidden and passed on in any case.
    Reset("proxy_hide_header X-Accel-Expires"),
    Reset("proxy_pass_header Content-Type"),
    Reset("proxy_force_ranges off"),
    Reset("proxy_limit_rate 0"),
    # The request, as the visitor has made it
    Reset("proxy_method $request_method"),
    Reset("proxy_pass_request_headers on"),
    Reset("proxy_pass_request_body on"),
    Reset("proxy_bind off"),
    Reset("proxy_ignore_client_abort off"),
    Reset("proxy_next_upstream error timeout"),
    Reset("proxy_next_upstream_timeout 0"),
    Reset("proxy_next_upstream_tries 0"),
    Reset("proxy_headers_hash_max_size 512"),
    Reset("proxy_headers_hash_bucket_size 128"),
    # X-Accel-Expires, by which the verifier limits a cached yes, counts. An upstream chooses no location of ours.
    Reset("proxy_ignore_headers X-Accel-Redirect"),
    Reset("proxy_cache off"),
    Reset("proxy_cache_valid any 0"),
    Reset("proxy_cache_use_stale off"),
    Reset("proxy_cache_background_update off"),
    Reset("proxy_cache_bypass 0"),
    Reset("proxy_no_cache 0"),
    Reset("proxy_cache_convert_head on"),
    Reset("proxy_cache_lock off"),
    Reset("proxy_cache_methods GET HEAD"),
    Reset("proxy_cache_min_uses 1"),
    Reset("proxy_cache_revalidate off"),
)
# The same for TLS, also in the server for unknown names: some of it is negotiated before the client names a server.
TLS_RESETS = (
    Reset("ssl_protocols TLSv1.2 TLSv1.3"),
    Reset("ssl_ciphers HIGH:!aNULL:!MD5"),
    Reset("ssl_ecdh_curve auto"),
    Reset('ssl_dhparam ""'),
    Reset("ssl_verify_depth 1"),
    Reset('ssl_crl ""'),
    Reset("ssl_ocsp off", since=(1, 19, 0)),
    Reset("ssl_stapling off"),
    Reset("ssl_early_data off"),
    # Repeats ssl_protocols, because nothing but another command ends the inheritance of commands.
    Reset("ssl_conf_command MinProtocol TLSv1.2", since=(1, 19, 4)),
    # No resumption: before nginx 1.27.4 a session of one site could be resumed at another, whose CA never verified the
    # client's certificate (CVE-2025-23419). Cloudflare keeps its connections open, so resumption would gain little.
    Reset("ssl_session_cache off"),
    Reset("ssl_session_tickets off"),
)

# The reason for which a directive of the block does no harm, by name, or by how its name begins.
HARMLESS: dict[str, str] = {
    "It names something that only a directive of a server or location uses, and ours use none of the owner's.": (
        "server upstream upstream_list map geo split_clients log_format charset_map types proxy_cache_path "
        "fastcgi_cache_path scgi_cache_path uwsgi_cache_path limit_req_zone limit_conn_zone limit_zone geoip_* geoip2* "
        "perl_modules perl_require perl_set lua_shared_dict upload_progress dav_ext_lock_zone auth_gss_zone_name "
        "auth_request_set secure_link* userid_* ancient_browser* modern_browser* uninitialized_variable_warn "
        "userid js_context_* js_engine js_fetch_* js_import js_path js_preload_object js_set js_shared_dict_zone "
        "js_var set_base32_* set_decode_* set_encode_* set_escape_uri set_formatted_* set_hashed_upstream set_hmac_* "
        "set_if_empty set_local_today set_md5 set_misc_* set_quote_* set_random set_rotate set_secure_random_* "
        "set_sha1 set_unescape_uri"
    ),
    "It only takes headers from answers.": "more_clear_headers",
    "It only adds to the end of an answer; set by us, even to nothing, it would take the length from every answer.": (
        "add_trailer add_trailer_inherit"
    ),
    "It acts only in a location that passes requests to such a server, and ours pass them on with proxy_pass.": (
        "fastcgi_* scgi_* uwsgi_* grpc_* memcached_* memc_* nchan_* push_* eval_*"
    ),
    "It acts only on TLS to the upstream, and ours is asked in the clear.": "proxy_ssl_*",
    "It acts only on files that nginx serves, and each location of ours passes on or returns.": (
        "root index autoindex* fancyindex* random_index disable_symlinks directio* read_ahead etag if_modified_since "
        "max_ranges gzip_static brotli_static zstd_static* dav_* create_full_put_path min_delete_depth mp4_* "
        "open_file_cache* image_filter_* xml_entities xslt_* slice log_not_found"
    ),
    "It can only refuse, delay or slow down a request that would otherwise be answered.": (
        "limit_req limit_req_* limit_conn limit_conn_* limit_rate limit_rate_after deny auth_delay auth_pam* auth_gss* "
        "auth_jwt_* access_by_lua access_by_lua_* modsecurity* reset_timedout_connection client_header_timeout "
        "keepalive_disable keepalive_time keepalive_min_timeout lingering_* max_headers"
    ),
    "It sizes buffers and tables, or chooses how bytes are read, kept and sent.": (
        "aio aio_write sendfile sendfile_max_chunk send_lowat tcp_nodelay tcp_nopush output_buffers postpone_output "
        "postpone_gzipping connection_pool_size request_pool_size subrequest_output_buffer_size types_hash_* "
        "map_hash_* variables_hash_* server_names_hash_* client_body_in_single_buffer client_body_temp_path "
        "proxy_temp_path proxy_store_access proxy_send_lowat proxy_socket_keepalive proxy_cache_lock_age "
        "proxy_cache_lock_timeout proxy_cache_max_range_offset proxy_pass_trailers chunked_transfer_encoding "
        "ssl_buffer_size http2_* http3 http3_* quic_* spdy_* early_hints resolver resolver_timeout upstream_fair_*"
    ),
    "It compresses or unpacks answers, as Cloudflare does for visitors in any case.": (
        "gzip gzip_buffers gzip_comp_level gzip_disable gzip_hash gzip_http_version gzip_min_length gzip_no_buffer "
        "gzip_proxied gzip_types gzip_vary gzip_window gunzip gunzip_buffers brotli brotli_* zstd zstd_*"
    ),
    "It only tunes something that our servers have turned off, or that needs a directive that is refused.": (
        "addition_types charset_types override_charset source_charset ssi_* sub_filter_* subs_filter_types "
        "subs_filter_bypass subs_buffers subs_line_buffer_size mirror_request_body auth_basic_user_file "
        "xss_callback_arg xss_check_status xss_input_types xss_output_type xss_override_status srcache_buffer "
        "srcache_default_expire srcache_fetch_skip srcache_header_buffer_size srcache_ignore_content_encoding "
        "srcache_max_expire srcache_methods srcache_request_cache_control srcache_response_cache_control "
        "srcache_store_* proxy_cache_key proxy_cache_purge cache_purge_* upload_progress_* track_uploads ssl "
        "ssl_session_timeout ssl_session_ticket_key ssl_ocsp_* ssl_stapling_* ssl_password_file ssl_certificate_cache "
        "ssl_certificate_compression ssl_ech_file"
    ),
    "It chooses words, names and ports in answers and redirects, and our servers redirect nowhere.": (
        "absolute_redirect port_in_redirect server_name_in_redirect default_type msie_padding msie_refresh "
        "open_log_file_cache log_by_lua log_by_lua_* rewrite_log ssl_prefer_server_ciphers"
    ),
    "It sets up Lua, which acts only in a directive that runs some.": (
        "lua_* init_by_lua* init_worker_by_lua* exit_worker_by_lua* rewrite_by_lua_no_postpone"
    ),
}

# Why a directive of the block is refused. nginx offers no value that would end its inheritance.
REFUSED: dict[str, str] = {
    "would send other bodies to Immich than visitors do": "proxy_set_body",
    "would send requests to Immich that nobody has made": "post_action",
    "would rewrite Immich's answers": (
        "sub_filter subs_filter xss_get more_set_headers header_filter_by_lua header_filter_by_lua_* "
        "body_filter_by_lua body_filter_by_lua_*"
    ),
    "would rewrite requests before the token is verified": (
        "more_set_input_headers more_clear_input_headers rewrite_by_lua rewrite_by_lua_block rewrite_by_lua_file "
        "server_rewrite_by_lua_*"
    ),
    "would keep Immich's answers for others": "srcache_fetch srcache_store",
    "would answer in Immich's place": "report_uploads",
    "would decide on TLS connections before the client certificate does": (
        "ssl_certificate_by_lua_* ssl_client_hello_by_lua_* ssl_session_fetch_by_lua_* ssl_session_store_by_lua_*"
    ),
}


def resets(table: Iterable[Reset], version: Version, build: Container[str]) -> list[str]:
    """The directives of a table that an nginx of this version and build knows."""
    return [
        f"{one.text};"
        for one in table
        if version >= one.since and (not one.build or one.build.startswith("with-") == (one.build in build))
    ]


def objections(http: Directive | None, own: Container[str]) -> list[str]:
    """What our servers must not inherit from the block `http`, with its places; `own` is what they set themselves."""
    found: list[str] = []
    for directive in () if http is None else http.block or ():
        if directive.is_ours or directive.name in own:
            continue
        reason = _reason(REFUSED, directive.name)
        if reason is None and _reason(HARMLESS, directive.name) is None:
            reason = "is unknown to this program, so it may weaken the site"
        if reason is not None:
            found.append(f"{directive.name} in the http block ({directive.place}) {reason}")
    return found


def _reason(table: Mapping[str, str], name: str) -> str | None:
    """The reason under which a table has the name."""
    for reason, names in table.items():
        if re.fullmatch(names.replace("*", ".*").replace(" ", "|"), name):
            return reason
    return None
