//! Groups and users as the system's own files list them. The name service is not asked: it may hang, and it is no
//! business of a door to wait for it. What it alone knows of still counts where a process has the group as its own.

use std::path::Path;

use crate::sys::files;

const FILE_BYTES_MAX: usize = 4 << 20;

/// A group: its number, and the users it lists beside those whose own group it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub id: u32,
    pub members: Vec<String>,
}

/// The group of a name, if there is one.
pub fn find(name: &str) -> Option<Group> {
    in_text(&read("/etc/group"), name)
}

/// Whether a user is a member of a group by what the files say.
pub fn is_member(group: &Group, user_id: u32) -> bool {
    let name = user_name(&read("/etc/passwd"), user_id);
    name.is_some_and(|name| group.members.contains(&name))
}

fn read(path: &str) -> String {
    files::read_text(Path::new(path), FILE_BYTES_MAX).unwrap_or_default()
}

/// Looks for a group in what group(5) describes: `name:password:number:user,user`.
pub fn in_text(text: &str, name: &str) -> Option<Group> {
    let of_line = |line: &str| {
        let mut parts = line.split(':');
        let (is_it, id, members) = (parts.next()? == name, parts.nth(1)?, parts.next()?);
        let members = members.split(',').map(str::trim).filter(|one| !one.is_empty()).map(str::to_string).collect();
        if is_it { Some(Group { id: id.parse().ok()?, members }) } else { None }
    };
    text.lines().find_map(of_line)
}

/// Looks for a user in what passwd(5) describes: `name:password:number:…`.
pub fn user_name(text: &str, user_id: u32) -> Option<String> {
    let of_line = |line: &str| {
        let mut parts = line.split(':');
        let (name, id) = (parts.next()?, parts.nth(1)?);
        (id.parse() == Ok(user_id)).then(|| name.to_string())
    };
    text.lines().find_map(of_line)
}
