//! Groups and users, as the system's files list them.

use watchward::sys::groups::{Group, in_text, user_name};

const GROUPS: &str =
    "root:x:0:\nssl-cert:x:103:postgres, redis\nbroken\nodd:x:many:a\nwatch:x:7:\nwatchward:x:990:ann\n";

#[test]
fn a_group_is_found_by_its_whole_name_with_its_members() {
    let members = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    assert_eq!(in_text(GROUPS, "watchward"), Some(Group { id: 990, members: members(&["ann"]) }));
    assert_eq!(in_text(GROUPS, "ssl-cert"), Some(Group { id: 103, members: members(&["postgres", "redis"]) }));
    assert_eq!(in_text(GROUPS, "watch"), Some(Group { id: 7, members: members(&[]) }));
    for none in ["ward", "", "broken", "odd", "x"] {
        assert_eq!(in_text(GROUPS, none), None, "{none}");
    }
}

#[test]
fn a_user_is_found_by_its_number() {
    let text = "root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/sh\nbroken\n";
    assert_eq!(user_name(text, 1000).as_deref(), Some("ann"));
    assert_eq!(user_name(text, 100), None);
}
