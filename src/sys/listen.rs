//! Doors that others come in by: a TCP listener, and a Unix socket that lets in only whom the system vouches for.

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, chown};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::model::fault::Fault;
use crate::sys::groups::{self, Group};
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

    /// The next client, with its address and the one of ours that it came to.
    ///
    /// # Errors
    /// As the system says; mostly that no descriptor is free.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr, SocketAddr)> {
        let (stream, peer) = self.0.accept().await?;
        let local = stream.local_addr()?;
        let _ = stream.set_nodelay(true); // only a matter of speed
        Ok((stream, peer, local))
    }
}

/// A door in the file system. Its file goes when it is dropped.
pub struct Unix {
    listener: UnixListener,
    path: PathBuf,
    /// The group whose members are let in, by name.
    group: String,
}

impl Unix {
    /// Makes the socket, mode 0660, in place of a file that a dead process left. Where there is a group of this name the
    /// socket is given to it; that this failed is told beside the socket, which then lets in root and our own user.
    ///
    /// # Errors
    /// As the system says.
    pub fn bind(path: &Path, group: &str) -> io::Result<(Unix, Option<Fault>)> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o660))?;
        let fault = groups::find(group).and_then(|found| give(path, group, &found).err());
        Ok((Unix { listener, path: path.to_path_buf(), group: group.to_string() }, fault))
    }

    /// The next client and its user, or `None` for one that is neither root, nor the user this process runs as, nor a
    /// member of the group.
    ///
    /// # Errors
    /// As the system says.
    pub async fn accept(&self) -> io::Result<Option<(UnixStream, u32)>> {
        let (stream, _) = self.listener.accept().await?;
        let Ok(peer) = stream.peer_cred() else { return Ok(None) };
        let trusted = self.trusts(peer.uid(), peer.gid());
        Ok(trusted.then_some((stream, peer.uid())))
    }

    fn trusts(&self, user_id: u32, group_id: u32) -> bool {
        if user_id == 0 || user_id == process::user_id() {
            return true;
        }
        // Read anew each time: who was taken out of the group is out.
        groups::find(&self.group).is_some_and(|group| group.id == group_id || groups::is_member(&group, user_id))
    }
}

/// Gives the socket to a group, and lets the group through the folder where nobody but its owner could pass.
fn give(path: &Path, name: &str, group: &Group) -> Result<(), Fault> {
    let failed = |path: &Path, error: io::Error| {
        Fault::new("socket-01", format!("{} cannot be given to the group {name}: {error}", path.display()))
            .detail("It lets in root and the agent's own user, and nobody else.")
            .hint(format!("Make the agent's user a member of the group {name}, and start the agent anew."))
    };
    let to_group = |path: &Path| chown(path, None, Some(Gid::from_raw(group.id))).map_err(io::Error::from);
    to_group(path).map_err(|error| failed(path, error))?;
    let Some(folder) = path.parent() else { return Ok(()) };
    let seen = fs::metadata(folder).map_err(|error| failed(folder, error))?;
    let is_private = seen.mode() & 0o007 == 0; // else it is everybody's way, and no business of ours
    let lets_pass = seen.gid() == group.id && seen.mode() & 0o050 == 0o050;
    if is_private && !lets_pass {
        let open = || to_group(folder).and_then(|()| fs::set_permissions(folder, Permissions::from_mode(0o750)));
        open().map_err(|error| failed(folder, error))?;
    }
    Ok(())
}

impl Drop for Unix {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path); // a file left behind does no harm
    }
}
