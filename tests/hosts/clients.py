"""The clients that are run: their exact versions, what they connect by, and what in them is not ours to mend.

What a client depends on is what the registry gives that day, unless it is pinned here with a reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Transport = Literal["stdio", "http", "sse"]
Kind = Literal["python", "node", "command"]

EVERY: tuple[Transport, ...] = ("stdio", "http", "sse")


@dataclass(frozen=True)
class Client:
    """A client: its first pin is the one whose version the table shows.

    `kind` says what runs its driver: the Python of its environment, Node beside its packages, or (a command) ours.
    `not_ours` maps a step, or a transport and a step ("sse error"), to why it cannot work; such a failure is no fault.
    """

    name: str
    title: str
    kind: Kind
    pins: tuple[str, ...]
    transports: tuple[Transport, ...] = EVERY
    not_ours: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def version(self) -> str:
        """The version of the client itself."""
        return self.pins[0].replace("==", "@").rpartition("@")[2]

    @property
    def driver(self) -> str:
        """The name of the driver's file."""
        return f"with_{self.name.replace('-', '_')}.{'mjs' if self.kind == 'node' else 'py'}"

    def excuse(self, transport: str, step: str) -> str | None:
        """Why a step on a transport cannot work and need not, if so."""
        return self.not_ours.get(f"{transport} {step}") or self.not_ours.get(step)


def python(name: str, title: str, *pins: str, not_ours: Mapping[str, str] | None = None) -> Client:
    """A framework in Python."""
    return Client(name, title, "python", pins, not_ours=not_ours or {})


def node(
    name: str,
    title: str,
    *pins: str,
    transports: tuple[Transport, ...] = EVERY,
    not_ours: Mapping[str, str] | None = None,
) -> Client:
    """A framework in JavaScript."""
    return Client(name, title, "node", pins, transports, not_ours or {})


def command(name: str, title: str, pin: str, transports: tuple[Transport, ...] = EVERY) -> Client:
    """A host of the command line."""
    return Client(name, title, "command", (pin,), transports)


CLIENTS: tuple[Client, ...] = (
    python(
        "langchain",
        "LangChain (langchain-mcp-adapters)",
        "langchain-mcp-adapters==0.3.2",
        "langchain-openai==1.7.4",
        "langchain-google-genai==4.4.3",
    ),
    python("crewai", "CrewAI (crewai-tools)", "crewai-tools[mcp]==1.15.30"),
    python("openai-agents", "OpenAI Agents, strict schemas", "openai-agents==0.24.0"),
    python("google-adk", "Google ADK, and google-genai's conversion", "google-adk[mcp]==2.13.0"),
    python("pydantic-ai", "Pydantic AI", "pydantic-ai-slim[mcp]==2.68.0"),
    python("semantic-kernel", "Semantic Kernel", "semantic-kernel[mcp]==1.45.0"),
    # autogen-ext bounds mcp from below alone, and cannot work with the second generation that it would get.
    python("autogen", "AutoGen (autogen-ext)", "autogen-ext[mcp]==0.7.5", "mcp==1.30.0"),
    python("agno", "Agno, and its conversion for Gemini", "agno==3.1.10", "fastmcp==4.2.3", "google-genai==3.6.1"),
    python("llama-index", "LlamaIndex (llama-index-tools-mcp)", "llama-index-tools-mcp==0.6.0"),
    python("mcp-use", "mcp-use, its adapter for LangChain", "mcp-use==1.7.1"),
    node("vercel-ai", "Vercel AI SDK (@ai-sdk/mcp)", "@ai-sdk/mcp@2.0.99", "ai@7.0.173"),
    node(
        "mastra",
        "Mastra (@mastra/mcp)",
        "@mastra/mcp@2.0.0",
        "@mastra/core@1.71.0",
        transports=("stdio", "http"),
    ),
    node(
        "mcp-remote",
        "mcp-remote, under the TypeScript SDK's client",
        "mcp-remote@0.15.1",
        "@modelcontextprotocol/client@2.4.0",
        transports=("http", "sse"),
    ),
    command("claude-code", "Claude Code: `claude mcp list`, `claude -p`", "@anthropic-ai/claude-code@2.1.332"),
    command("codex", "Codex CLI: `codex exec`", "@openai/codex@0.171.0", ("stdio", "http")),
    command("gemini-cli", "Gemini CLI: `gemini mcp list`, `gemini -p`", "@google/gemini-cli@0.61.0"),
    command("opencode", "opencode: `opencode mcp list`, `opencode run`", "opencode-ai@1.18.33"),
)
