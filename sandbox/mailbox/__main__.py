from sandbox.mailbox.main import create
from sandbox.mailbox.settings import MailboxSettings
from sandbox.server import serve

settings = MailboxSettings.read()
serve(create(settings), settings.host, settings.port)
