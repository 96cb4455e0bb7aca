//! Serve: what people and machines may read, over loopback TCP and the agent's own socket. Serves from memory, waits for nobody.
