"""Writes the Caddyfile from the manifests: who owns which path, and how large a body may be."""

from collections.abc import Mapping, Sequence
from typing import Protocol

MEBIBYTE = 1024 * 1024


class Gated(Protocol):
    """What the gateway needs to know of a service."""

    @property
    def name(self) -> str: ...
    @property
    def paths(self) -> tuple[str, ...]: ...
    @property
    def body_limits(self) -> Mapping[str, int]: ...


HEAD = """# Generated from the manifests by `./atelier docs`; change deploy/gateway/generate.py instead.
{{
	admin off
{https}	persist_config off
	grace_period 5s
	log default {{
		output stderr
		# What Caddy tells of a request that failed has its headers and its query, and with them credentials and
		# the signatures of files; the request's id leads to the service's own line about it.
		format filter {{
			wrap json
			fields {{
				request>headers delete
				request>uri delete
				request>remote_ip delete
				request>client_ip delete
			}}
		}}
		level WARN
	}}
	servers {{
		timeouts {{
			read_header 10s
			# Of a pause, not of the whole: a film over a slow line takes minutes. Bytes a second, on average.
			read_body_idle 30s 4096
			idle 120s
		}}
		max_header_size 32KB
		# Proxies before this one, such as a load balancer: only they may say who the client is.
		trusted_proxies static {{$GATEWAY_TRUSTED_PROXIES:192.0.2.1/32}}
		trusted_proxies_strict
	}}
}}

# Whatever a client sends that could be taken for ours goes. Caddy itself drops names with underscores, and without
# Connection nobody can have a header of ours removed as hop-by-hop on the way in.
(clean) {{
	request_header -X-Identity-Token
	request_header -X-User-*
	request_header -X-Auth-*
	request_header -X-Internal-*
	request_header -X-Tenant-*
	request_header -X-Real-Ip
	request_header -Forwarded
	request_header -Connection
	request_header X-Request-Id {{rid}}
}}

(upstream) {{
	header_up X-Forwarded-For {{client_ip}}
	lb_try_duration 2s
	lb_try_interval 100ms
	transport http {{
		dial_timeout 1s
		response_header_timeout 60s
		compression off
	}}
}}

{{$GATEWAY_LISTEN:http://:8000}} {{
	bind {{$GATEWAY_BIND:127.0.0.1}}
	map {{http.request.header.X-Request-Id}} {{rid}} {{
		~^([A-Za-z0-9._-]{{8,64}})$ "${{1}}"
		default {{http.request.uuid}}
	}}
	header {{
		X-Request-Id {{rid}}
		?X-Content-Type-Options nosniff
		?X-Frame-Options DENY
		?Referrer-Policy no-referrer
		-Server
		-Via
		defer
	}}
	encode zstd gzip {{
		minimum_length 1024
		match {{
			header Content-Type application/json*
		}}
	}}
	@credential expression `header({{'Authorization': '*'}}) || header({{'Cookie': '*'}})`
	@hidden path /_verify /_verify/* /internal /internal/* /livez /readyz /metrics */_verify* */internal/* *//*
	@cors header_regexp Origin ^({{$CORS_ORIGINS_PATTERN:none}})$
	@preflight method OPTIONS

	route {{
		import clean
		respond /healthz `{{"status":"ok"}}` 200
		error @hidden 404
		header @cors Access-Control-Allow-Origin {{http.request.header.Origin}}
		header @cors Access-Control-Allow-Credentials true
		header @cors +Vary Origin
		handle @preflight {{
			header Access-Control-Allow-Methods "GET, POST, PUT, PATCH, DELETE"
			header Access-Control-Allow-Headers "Authorization, Content-Type, Idempotency-Key, If-Match, Last-Event-ID, Prefer"
			header Access-Control-Max-Age 600
			respond 204
		}}
"""

TWIN = """		@foreign {
			path /dev/* /twin/*
			not header_regexp Host ^(127\\.0\\.0\\.1|localhost|\\[::1\\])(:[0-9]+)?$
		}
		error @foreign 403
		@elsewhere {
			path /dev/* /twin/*
			header Origin *
			not header_regexp Origin ^http://(127\\.0\\.0\\.1|localhost|\\[::1\\])(:[0-9]+)?$
		}
		error @elsewhere 403
		handle /twin/* {
			reverse_proxy {$TWIN_UPSTREAM:127.0.0.1:9106} {
				import upstream
			}
		}
"""

TAIL = """		handle {
			reverse_proxy {$FRONT_UPSTREAM:127.0.0.1:9105} {
				import upstream
			}
		}
	}

	# What was to be added to the answer above is lost with it when it fails.
	handle_errors {
		header {
			Content-Type application/problem+json
			X-Request-Id {rid}
			X-Content-Type-Options nosniff
			X-Frame-Options DENY
			Referrer-Policy no-referrer
			-Server
		}
		@away expression `{err.status_code} in [502, 503, 504]`
		header @away Retry-After 2
		respond `{"type":"/problems/{err.status_code}","title":"{err.status_text}","status":{err.status_code},"code":"{err.status_code}","detail":"{err.status_text}","request_id":"{rid}"}` {err.status_code}
	}
}
"""


def caddyfile(services: Sequence[Gated], *, production: bool = False) -> str:
    """The whole configuration. In production Caddy fetches certificates itself, and twin and mailbox are absent."""
    head = HEAD.format(https="" if production else "\tauto_https off\n")
    ordered = sorted(services, key=lambda service: service.name)
    blocks = "".join(_service(service, port) for port, service in enumerate(ordered, 9100))
    return head + ("" if production else TWIN) + blocks + TAIL


def _service(service: Gated, port: int) -> str:
    upstream = f"{{${service.name.upper()}_UPSTREAM:127.0.0.1:{port}}}"
    return f"""		@{service.name} path_regexp {_expression(service.paths)}
		handle @{service.name} {{
{_limits(service)}			forward_auth @credential {{$ACCOUNTS_UPSTREAM:127.0.0.1:9100}} {{
				uri /_verify?aud={service.name}
				copy_headers X-Identity-Token RateLimit RateLimit-Policy
				header_up X-Forwarded-For {{client_ip}}
				transport http {{
					dial_timeout 1s
					response_header_timeout 5s
				}}
			}}
			reverse_proxy {upstream} {{
				import upstream
			}}
		}}
"""


def _limits(service: Gated) -> str:
    """A limit for each prefix that has its own, and the common one for all the rest: the smallest would win."""
    special = sorted(service.body_limits.items())
    others = "".join(f" {prefix}*" for prefix, _ in special)
    common = f"@{service.name}_small" if special else ""
    lines = [f"			@{service.name}_small not path{others}\n"] if special else []
    lines.append(_limit(common, MEBIBYTE))
    for number, (prefix, limit) in enumerate(special):
        name = f"@{service.name}_large_{number}"
        lines += [f"			{name} path {prefix}*\n", _limit(name, limit)]
    return "".join(lines)


def _limit(matcher: str, limit: int) -> str:
    return f"			request_body {matcher} {{\n				max_size {limit}\n			}}\n"


def _expression(paths: Sequence[str]) -> str:
    """One expression for all of a service's patterns, with the meaning they have in `deploy/local/routes.py`."""
    return "^(" + "|".join(_pattern(path) for path in paths) + ")$"


def _pattern(path: str) -> str:
    if path.endswith("*"):
        return path[:-1].rstrip("/").replace(".", r"\.") + "(/.*)?"
    return "/".join("[^/]+" if part.startswith("{") else part.replace(".", r"\.") for part in path.split("/"))
