"""The PiCloud front: frames over TCP, one connection per message or many on one.

Public: `front.PicloudFront`, whose `handle` serves one connection of a `tcp.serving.TcpServer`. `errors` is its table of texts.
"""
