from sandbox.gateway.main import HangUpProtocol, create
from sandbox.gateway.settings import GatewaySettings
from sandbox.server import serve

settings = GatewaySettings.read()
serve(create(settings), settings.host, settings.port, HangUpProtocol)
