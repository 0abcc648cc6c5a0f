"""The stand-in for useapi.net's Runway API over HTTP, for tests, the demo and people without a token.

Built from public documents and never checked against the live service: each doubt is a field of `switches.Switches`,
and what passes under one setting proves nothing about the others. Shares no code with the client that it tests.
"""
