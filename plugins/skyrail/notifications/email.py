"""E-mail, through Airflow's own notifier and its connection of a mail server."""

from __future__ import annotations

from html import escape

from skyrail.notifications.message import Message
from skyrail.notifications.target import Target


class EmailTarget(Target):
    """Send each message to the configured addresses."""

    name = "email"

    @property
    def fix(self) -> str:
        """Name the connection, and what its extra needs."""
        return (
            f"Check the Airflow connection {self.settings.smtp_conn_id!r}: host, port, login, and from_email in its "
            "extra. A mail server without TLS needs disable_tls and disable_ssl there."
        )

    def is_configured(self) -> bool:
        """Return whether there is an address."""
        return bool(self.settings.email_to.strip())

    def send(self, message: Message) -> None:
        """Send one mail to all addresses."""
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        # `notify` and not a call: the text is final, and must not be read as a template.
        SmtpNotifier(
            to=[address.strip() for address in self.settings.email_to.split(",") if address.strip()],
            subject=f"[Skyrail, {message.severity}] {message.title}",
            html_content=body(message),
            smtp_conn_id=self.settings.smtp_conn_id,
        ).notify({})


def body(message: Message) -> str:
    """Return the mail's HTML."""
    parts = [f"<p><strong>{escape(message.title)}</strong></p>"]
    parts += [f"<p>{escape(line)}</p>" for line in message.message.splitlines() if line.strip()]
    if link := message.absolute_link():
        parts.append(f'<p><a href="{escape(link)}">{escape(link)}</a></p>')
    return "\n".join([*parts, f"<p>{escape(message.at)}</p>"])
