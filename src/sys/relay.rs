//! A private Unix socket for drivers that must open their own connections; does TLS and limits every answer.
