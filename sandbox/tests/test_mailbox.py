import smtplib
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from sandbox.tests.processes import Process, free_port


class Mailbox(Process):
    smtp_port: int
    data: Path


@pytest.fixture(scope="module")
def post_office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailbox]:
    port, smtp_port = free_port(), free_port()
    directory = tmp_path_factory.mktemp("mailbox")
    environment = {
        "SANDBOX_MAILBOX_PORT": str(port),
        "SANDBOX_SMTP_PORT": str(smtp_port),
        "SANDBOX_DATA_DIR": str(directory / "data"),
    }
    process = Mailbox("sandbox.mailbox", port, environment, directory / "mailbox.log")
    process.smtp_port, process.data = smtp_port, directory / "data"
    process.start()
    yield process
    if process.running:
        process.kill()


@pytest.fixture
def mailbox(post_office: Mailbox) -> Mailbox:
    """An empty mailbox."""
    httpx.delete(f"{post_office.url}/messages").raise_for_status()
    return post_office


def mail(to: str, subject: str = "Your order", message_id: str | None = None) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "shop@example.com", to, subject
    if message_id:
        message["Message-ID"] = message_id
    message.set_content("Thank you \u2013 it is on its way.")
    message.add_alternative("<p>Thank you</p><script>alert(1)</script>", subtype="html")
    return message


def send(mailbox: Mailbox, *messages: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", mailbox.smtp_port, timeout=15) as smtp:
        for message in messages:
            smtp.send_message(message)


def count(mailbox: Mailbox, **query: str) -> int:
    return int(httpx.get(f"{mailbox.url}/messages/count", params=query).json()["count"])


def oldest(mailbox: Mailbox) -> int:
    return int(httpx.get(f"{mailbox.url}/messages").json()["items"][-1]["id"])


def test_a_mail_is_kept_whole(mailbox: Mailbox) -> None:
    message = mail("Ada@example.com", "Größe wählen", "<1@shop>")
    message.add_attachment(b"12345", maintype="application", subtype="pdf", filename="invoice.pdf")
    send(mailbox, message)
    [listed] = httpx.get(f"{mailbox.url}/messages", params={"to": "ada@example.com"}).json()["items"]
    assert listed["subject"] == "Größe wählen"
    assert listed["from"] == "shop@example.com"
    assert listed["to"] == ["Ada@example.com"]
    assert listed["message_id"] == "<1@shop>"
    whole = httpx.get(f"{mailbox.url}/messages/{listed['id']}").json()
    assert whole["text"].strip() == "Thank you \u2013 it is on its way."
    assert "<p>Thank you</p>" in whole["html"]
    assert {"name": "Subject", "value": "Größe wählen"} in whole["headers"]
    assert whole["attachments"] == [{"name": "invoice.pdf", "type": "application/pdf", "size": 5}]


def test_lists_are_newest_first_by_recipient_and_paged(mailbox: Mailbox) -> None:
    send(mailbox, *(mail(to, f"{to} {n}") for n in range(3) for to in ("a@example.com", "b@example.com")))
    query = {"to": "a@example.com", "limit": "2"}
    first = httpx.get(f"{mailbox.url}/messages", params=query).json()
    rest = httpx.get(f"{mailbox.url}/messages", params={**query, "cursor": first["next"]}).json()
    assert [one["subject"] for one in first["items"] + rest["items"]] == [f"a@example.com {n}" for n in (2, 1, 0)]
    assert rest["next"] is None
    assert count(mailbox, to="b@example.com") == 3


def test_distinct_message_ids_are_counted(mailbox: Mailbox) -> None:
    ids = ["<1@shop>", "<1@shop>", "<2@shop>", None, None]
    send(mailbox, *(mail("a@example.com", message_id=id) for id in ids))
    assert count(mailbox) == 5
    assert count(mailbox, distinct="true") == 4
    assert count(mailbox, distinct="true", to="nobody@example.com") == 0


def test_accepted_mail_survives_a_kill(mailbox: Mailbox) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: send(mailbox, *(mail(f"{n}@example.com") for _ in range(25))), range(4)))
    mailbox.kill()
    mailbox.start()
    assert count(mailbox) == 100
    send(mailbox, mail("a@example.com"))
    assert count(mailbox) == 101


def test_the_mailbox_can_be_emptied(mailbox: Mailbox) -> None:
    send(mailbox, mail("a@example.com"))
    id = oldest(mailbox)
    assert httpx.delete(f"{mailbox.url}/messages").status_code == 204
    assert count(mailbox) == 0
    assert httpx.get(f"{mailbox.url}/messages/{id}").status_code == 404
    with sqlite3.connect(mailbox.data / "mailbox.sqlite") as db:
        assert db.execute("SELECT count(*) FROM recipients").fetchone() == (0,)


def test_the_pages_show_mail_without_running_its_scripts(mailbox: Mailbox) -> None:
    send(mailbox, mail("ada@example.com", "<b>Bold</b>"), mail("bob@example.com", "Other"))
    page = httpx.get(mailbox.url, params={"to": "ada@"})
    assert "&lt;b&gt;Bold&lt;/b&gt;" in page.text
    assert "Other" not in page.text
    id = oldest(mailbox)
    shown = httpx.get(f"{mailbox.url}/mail/{id}")
    assert "<iframe sandbox" in shown.text
    assert "<script>alert(1)" not in shown.text
    html = httpx.get(f"{mailbox.url}/mail/{id}/html")
    assert "<script>alert(1)" in html.text
    assert html.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert httpx.get(f"{mailbox.url}/mail/{id + 9}").status_code == 404


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no headers at all",
        b"Subject: =?nonsense?b?////?=\r\n\r\n\xff\xfe",
        b"Content-Type: text/plain; charset=x-no\r\n\r\n\xe4",
    ],
)
def test_broken_mail_is_kept_and_shown(mailbox: Mailbox, raw: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", mailbox.smtp_port, timeout=15) as smtp:
        smtp.sendmail("a@example.com", ["b@example.com"], raw)
    id = oldest(mailbox)
    assert httpx.get(mailbox.url).status_code == 200
    assert httpx.get(f"{mailbox.url}/mail/{id}").status_code == 200
    assert httpx.get(f"{mailbox.url}/messages/{id}").status_code == 200
    assert httpx.get(f"{mailbox.url}/messages/{id}/raw").status_code == 200
