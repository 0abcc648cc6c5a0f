"""The simulator: a stand-in for useapi.net's Runway API, for tests, the demo and people without a token.

It answers every endpoint that this project uses with the shapes, oddities and errors that are publicly documented,
runs tasks along a timeline, charges credits, serves real films behind signed links, and sends callbacks.
It shares no code with the client it is meant to test, so that a mistake in one cannot cancel out in the other.

It was built from documents, never checked against the live service. Where upstream's behaviour is unknown, or two
sources disagree, a switch of `switches.Switches` chooses; each switch says where the doubt comes from. What passes
against one setting of the switches is therefore not proven against useapi.net: run it against the others too.
"""
