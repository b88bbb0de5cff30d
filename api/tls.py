"""TLS between the exchange's own processes: they know their certificate and trust no other."""

from __future__ import annotations

import ssl

from api.settings import Settings


def own_certificate(settings: Settings) -> ssl.SSLContext | None:
    """How a client on this machine recognises the gateway; None where it speaks plain HTTP.

    The name in the certificate is the public one, not the address that is connected to here.
    """
    if settings.tls_cert is None:
        return None
    context = ssl.create_default_context(cafile=settings.tls_cert)
    context.check_hostname = False
    # The certificate itself is trusted, whoever signed it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
