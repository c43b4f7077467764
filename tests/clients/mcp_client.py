#!/usr/bin/env python3
"""A client of the Model Context Protocol that is not ours: the official SDK lists the tools and calls them.

Usage: mcp_client.py VERSION http URL [HEADER=VALUE...]   over streamable HTTP
       mcp_client.py VERSION stdio COMMAND...             over a program's standard input and output
VERSION is `legacy` (with handshake) or `auto` (the newest that both speak). Calls come on standard input as a JSON list of
[tool, arguments]. Prints one JSON document: what the server is, its tools, and the result of each call in order. The SDK
itself holds every structured result against the tool's output schema, and fails if it does not keep it.
"""

import asyncio
import json
import os
import sys

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError


def server(how, *arguments):
    if how == "stdio":
        return StdioServerParameters(command=arguments[0], args=list(arguments[1:]), env=dict(os.environ))
    url, *headers = arguments
    http = httpx2.AsyncClient(headers=dict(header.split("=", 1) for header in headers), timeout=60)
    return streamable_http_client(url, http_client=http)


async def call(client, tool, arguments):
    try:
        result = await client.call_tool(tool, arguments)
    except MCPError as error:
        return {"refused": error.error.code, "text": error.error.message}
    text = "\n".join(block.text for block in result.content)
    return {"error": bool(result.is_error), "structured": result.structured_content, "text": text}


async def main(version, *arguments):
    calls = json.load(sys.stdin)
    async with Client(server(*arguments), mode=version) as client:
        tools = (await client.list_tools()).tools
        print(json.dumps({
            "server": client.server_info.name,
            "version": client.protocol_version,
            "instructions": client.instructions,
            "tools": [tool.model_dump(by_alias=True, exclude_none=True) for tool in tools],
            "results": [await call(client, tool, arguments) for tool, arguments in calls],
        }))


asyncio.run(main(*sys.argv[1:]))
