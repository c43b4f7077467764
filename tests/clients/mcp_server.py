#!/usr/bin/env python3
"""A server of the Model Context Protocol that is not ours, by the official SDK, over standard input and output.

Its one tool says who owns a node; it only reads, and says so in its annotations.
"""

from mcp.server import MCPServer
from mcp.types import ToolAnnotations

server = MCPServer("owners")


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def owner(node: str) -> dict[str, str]:
    """Who owns a node."""
    return {"node": node, "owner": f"team-{node}"}


if __name__ == "__main__":
    server.run()
