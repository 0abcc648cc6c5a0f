"""Ten configurations of each host, after its documentation: what people have there before they install."""

from collections.abc import Mapping
from typing import Final

_DESKTOP: Final = """{
  "globalShortcut": "Ctrl+Space",
  "mcpServers": {
    "filesystem": {
      "command": "npx",
      "args": ["-y", "@modelcontextprotocol/server-filesystem", "/Users/username/Desktop"],
      "env": { "APPDATA": "C:\\\\Users\\\\user\\\\AppData\\\\Roaming\\\\" }
    }
  }
}
"""
_CODE: Final = """{
  "numStartups": 12,
  "tipsHistory": {"new-user-warmup": 3},
  "mcpServers": {
    "sentry": {
      "type": "http",
      "url": "https://mcp.sentry.dev/mcp"
    },
    "db": {"type": "stdio", "command": "npx", "args": ["-y", "@bytebase/dbhub"], "env": {"KEY": "${KEY:-none}"}}
  },
  "projects": {
    "/home/me/work": {"allowedTools": [], "mcpServers": {"runway": {"command": "elsewhere"}}}
  }
}"""
_CURSOR: Final = """{
  "mcpServers": {
    "server-name": {
      "command": "npx",
      "args": ["-y", "mcp-server"],
      "env": {
        "API_KEY": "${env:API_KEY}"
      }
    },
    "remote": {
      "url": "http://localhost:3000/mcp",
      "headers": { "API_KEY": "value" }
    }
  }
}
"""
_VSCODE: Final = """{
	"inputs": [
		{
			"type": "promptString",
			"id": "perplexity-key",
			"description": "Perplexity API Key",
			"password": true
		}
	],
	"servers": {
		"Perplexity": {
			"type": "stdio",
			"command": "npx",
			"args": ["-y", "server-perplexity-ask"],
			"env": {
				"PERPLEXITY_API_KEY": "${input:perplexity-key}"
			}
		}
	}
}
"""
_WINDSURF: Final = """{
  "mcpServers": {
    "google-maps": {
      "command": "npx",
      "args": ["-y", "@modelcontextprotocol/server-google-maps"],
      "env": {"GOOGLE_MAPS_API_KEY": "${env:GOOGLE_MAPS_API_KEY}"}
    },
    "remote-http-mcp": {"serverUrl": "https://api.example.com/mcp", "disabledTools": ["a", "b"]}
  }
}
"""
_ZED: Final = """// Zed settings
//
// For information on how to configure Zed, see the Zed
// documentation: https://zed.dev/docs/configuring-zed
{
  "theme": {
    "mode": "system",
    "light": "One Light", // by day
    "dark": "One Dark",
  },
  "context_servers": {
    "local-mcp-server": {
      "command": "some-command",
      "args": ["arg-1", "arg-2"],
      "env": {},
    },
    /* the one of the team */
    "remote-mcp-server": {
      "url": "custom",
      "headers": { "Authorization": "Bearer <token>" },
    },
  },
  "vim_mode": false,
}
"""
_CODEX: Final = """# Codex
model = "gpt-5-codex"   # the default
approval_policy = "on-request"
notify = [
  "python3",
  "/home/me/notify.py",
]

[mcp_servers.context7]
command = "npx"
args = ["-y", "@upstash/context7-mcp"]

[mcp_servers.context7.env]
MY_ENV_VAR = "MY_ENV_VALUE"

[projects."/home/me/work"]
trust_level = "trusted"
"""
_GEMINI: Final = """{
  "theme": "GitHub",
  "security": {"auth": {"selectedType": "oauth-personal"}},
  "mcpServers": {
    "pythonTools": {
      "command": "python",
      "args": ["-m", "my_mcp_server", "--port", "8080"],
      "cwd": "./mcp-servers/python",
      "env": {"DATABASE_URL": "$DB_CONNECTION_STRING"},
      "timeout": 15000
    }
  }
}
"""
_GOOSE: Final = """# Model Configuration
GOOSE_PROVIDER: "anthropic"
GOOSE_MODEL: claude-3.5-sonnet
extensions:
  developer:
    bundled: true
    enabled: true
    name: developer
    timeout: 300
    type: builtin
  github:
    name: GitHub
    cmd: npx
    args: [-y, '@modelcontextprotocol/server-github']
    enabled: true
    envs: {"A": "b"}
    env_keys:
    - GITHUB_PERSONAL_ACCESS_TOKEN
    type: stdio

# Search Path Configuration
GOOSE_SEARCH_PATHS:
    - "/usr/local/bin"
"""
_LM_STUDIO: Final = """{
  "mcpServers": {
    "hf-mcp-server": {
      "url": "https://huggingface.co/mcp",
      "headers": {
        "Authorization": "Bearer <YOUR_HF_TOKEN>"
      }
    }
  }
}"""
_OPENCODE: Final = """{
  "$schema": "https://opencode.ai/config.json",
  "mcp": {
    "my-local-mcp-server": {
      "type": "local",
      // Or ["bun", "x", "my-mcp-command"]
      "command": ["npx", "-y", "my-mcp-command"],
      "enabled": true,
      "environment": {
        "MY_ENV_VAR": "my_env_var_value",
      },
    },
  },
}
"""


def _json(documented: str, key: str) -> dict[str, bytes | None]:
    """The ten of a host whose servers stand under one key of a JSON document."""
    return {
        "as documented": documented.encode(),
        "comments": f'/* mine */\n{{\n  // servers\n  "{key}": {{\n    // one\n    "a": {{ "url": "u" }} // last\n'
        f"    /* no more */\n  }} // end\n}}\n// over\n".encode(),
        "odd order": f'{{"z": [1,\n 2],\n      "{key}"\n:   {{"b"\n:{{}},   "a": {{}}}}\n , "y": null }}\n\n'.encode(),
        "CRLF": documented.replace("\n", "\r\n").encode(),
        "BOM": b"\xef\xbb\xbf" + documented.encode(),
        "on one line": f'{{"{key}":{{"a":{{"command":"é\\u00e9"}}}},"keep":1e3}}'.encode(),
        "no servers yet": f'{{\n    "{key}": {{\n    }}\n}}\n'.encode(),
        "without the key": b'{ "keep": true }',
        "empty": b"",
        "missing": None,
    }


def _toml(documented: str) -> dict[str, bytes | None]:
    return {
        "as documented": documented.encode(),
        "comments": b"# only\n  # comments\n",
        "odd order": b"[mcp_servers.b]\ncommand=\"b\"\n[tui]\nx=1\n[mcp_servers.a]\ncommand = 'a' # end",
        "CRLF": documented.replace("\n", "\r\n").encode(),
        "BOM": b"\xef\xbb\xbf" + documented.encode(),
        "on one line": b'mcp_servers = { a = { command = "x", args = [] } }\nmodel = "y"\n',
        "dotted": b'mcp_servers.a.command = "x"\n\n\n[history]\npersistence = "none"\n\n',
        "a table of servers": b'[mcp_servers]\na = { url = "https://example.com/mcp" }\n[profiles.o3]\nmodel = "o3"\n',
        "empty": b"",
        "missing": None,
    }


def _yaml(documented: str) -> dict[str, bytes | None]:
    return {
        "as documented": documented.encode(),
        "comments": b"# only\n\n# comments\n",
        "odd order": b"extensions:\n    b:\n        type: builtin\n    a: {type: builtin}   # last\nGOOSE_MODE: auto\n",
        "CRLF": documented.replace("\n", "\r\n").encode(),
        "BOM": b"\xef\xbb\xbf" + documented.encode(),
        "on one line": b'{"extensions": {"a": {"type": "builtin"}}, "GOOSE_MODE": "auto"}',
        "no servers yet": b"---\nextensions: {} # none\nGOOSE_MODE: auto",
        "without the key": b"GOOSE_TELEMETRY: |\n  not\n\n  mine\n",
        "empty": b"",
        "missing": None,
    }


CONFIGURATIONS: Final[Mapping[str, Mapping[str, bytes | None]]] = {
    "claude-desktop": _json(_DESKTOP, "mcpServers"),
    "claude-code": _json(_CODE, "mcpServers"),
    "cursor": _json(_CURSOR, "mcpServers"),
    "vscode": _json(_VSCODE, "servers"),
    "windsurf": _json(_WINDSURF, "mcpServers"),
    "zed": _json(_ZED, "context_servers"),
    "codex": _toml(_CODEX),
    "gemini": _json(_GEMINI, "mcpServers"),
    "goose": _yaml(_GOOSE),
    "lm-studio": _json(_LM_STUDIO, "mcpServers"),
    "opencode": _json(_OPENCODE, "mcp"),
}
