//! Doors that others come in by: a TCP listener, and a Unix socket that lets in only whom the system vouches for.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::sys::process;

/// A TCP door.
pub struct Tcp(TcpListener);

impl Tcp {
    /// # Errors
    /// As the system says: the address is taken, or not ours.
    pub async fn bind(address: SocketAddr) -> io::Result<Tcp> {
        TcpListener::bind(address).await.map(Tcp)
    }

    /// What was bound; of interest where port 0 was asked for.
    pub fn address(&self) -> Option<SocketAddr> {
        self.0.local_addr().ok()
    }

    /// # Errors
    /// As the system says; mostly that no descriptor is free.
    pub async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.0.accept().await?;
        let _ = stream.set_nodelay(true); // only a matter of speed
        Ok(stream)
    }
}

/// A door in the file system. Its file goes when it is dropped.
pub struct Unix {
    listener: UnixListener,
    path: PathBuf,
}

impl Unix {
    /// Makes the socket, mode 0660, in place of a file that a dead process left.
    ///
    /// # Errors
    /// As the system says.
    pub fn bind(path: &Path) -> io::Result<Unix> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
        Ok(Unix { listener, path: path.to_path_buf() })
    }

    /// The next client and its user, or `None` for one that is neither root nor the user this process runs as.
    ///
    /// # Errors
    /// As the system says.
    pub async fn accept(&self) -> io::Result<Option<(UnixStream, u32)>> {
        let (stream, _) = self.listener.accept().await?;
        let user_id = stream.peer_cred().map(|peer| peer.uid()).ok();
        let trusted = user_id.filter(|user_id| *user_id == 0 || *user_id == process::user_id());
        Ok(trusted.map(|user_id| (stream, user_id)))
    }
}

impl Drop for Unix {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path); // a file left behind does no harm
    }
}
