//! Who an image runs as (image-spec `config.md`, `User`).

/// The largest `/etc/passwd` or `/etc/group` of an image that is read, in bytes (CVE-2026-47262).
pub(crate) const ACCOUNTS_LIMIT: u64 = 1024 * 1024;

/// A user with its group and home directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    /// The user id.
    pub(crate) uid: u32,
    /// The group id.
    pub(crate) gid: u32,
    /// The home directory, `/` if the image names none.
    pub(crate) home: String,
}

/// Why an image's user cannot be told.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UserError {
    /// Only digits, but more than an id holds. Looked up as a name it could be any user (CVE-2026-46680).
    #[error("user `{0}`: id is out of range")]
    OutOfRange(String),
    /// The image has no such user.
    #[error("user `{0}` is not in the image's /etc/passwd")]
    UnknownUser(String),
    /// The image has no such group.
    #[error("group `{0}` is not in the image's /etc/group")]
    UnknownGroup(String),
}

/// Resolves `name|uid[:group|gid]` against the texts of `/etc/passwd` and `/etc/group`.
///
/// An empty text is root. A user without group has the group of its entry, or 0.
pub(crate) fn resolve(text: &str, passwd: &str, group: &str) -> Result<User, UserError> {
    let (user, group_text) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group).filter(|group| !group.is_empty())),
        None => (text, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let (uid, found) = match id(user)? {
        Some(uid) => (uid, accounts(passwd).find(|account| account.uid() == Some(uid))),
        None => {
            let unknown = || UserError::UnknownUser(user.to_owned());
            let found = accounts(passwd).find(|account| account.name == user).ok_or_else(unknown)?;
            (found.uid().ok_or_else(unknown)?, Some(found))
        }
    };
    let gid = match group_text {
        None => match &found {
            Some(Account { gid, .. }) => numeric_id(gid).ok_or_else(|| UserError::UnknownGroup((*gid).to_owned()))?,
            None => 0,
        },
        Some(text) => match id(text)? {
            Some(gid) => gid,
            None => group_id(text, group)?,
        },
    };
    let home = found.map(|account| account.home).filter(|home| !home.is_empty());
    Ok(User { uid, gid, home: home.unwrap_or("/").to_owned() })
}

/// Returns the home directory that `/etc/passwd` gives to a user, if it is an absolute path.
pub(crate) fn home_of(uid: u32, passwd: &str) -> Option<String> {
    let account = accounts(passwd).find(|account| account.uid() == Some(uid))?;
    account.home.starts_with('/').then(|| account.home.to_owned())
}

/// An entry of `/etc/passwd`, as it is written.
struct Account<'a> {
    name: &'a str,
    uid: &'a str,
    gid: &'a str,
    home: &'a str,
}

impl Account<'_> {
    fn uid(&self) -> Option<u32> {
        numeric_id(self.uid)
    }
}

/// Returns the entries of `/etc/passwd` in their order. A line that is none is left out.
fn accounts(passwd: &str) -> impl Iterator<Item = Account<'_>> {
    passwd.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, ..] = fields[..] else { return None };
        Some(Account { name, uid, gid, home })
    })
}

/// Returns a warning with the line to add if `/etc/passwd` has no entry for a user: then programs know neither its name
/// nor its home, and Java's home is `?`.
pub(crate) fn missing_entry(uid: u32, gid: u32, passwd: &str) -> Option<String> {
    let has_id = |line: &str| line.split(':').nth(2).and_then(numeric_id) == Some(uid);
    if uid == 0 || passwd.lines().any(has_id) {
        return None;
    }
    Some(format!(
        "/etc/passwd has no entry for user {uid}, so programs find no home for it; add the line \
         `cnb:x:{uid}:{gid}::/home/cnb:/bin/sh`"
    ))
}

/// Tells whether a text names root. An image can give that name to another user, whose id then tells.
pub(crate) fn is_root(text: &str) -> bool {
    let user = text.split(':').next().unwrap_or_default();
    matches!(user, "" | "root") || id(user) == Ok(Some(0))
}

fn group_id(name: &str, group: &str) -> Result<u32, UserError> {
    group
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields.len() >= 3 && fields[0] == name)
        .and_then(|fields| numeric_id(fields[2]))
        .ok_or_else(|| UserError::UnknownGroup(name.to_owned()))
}

/// Returns an id that is written in digits alone and that the kernel takes.
pub(crate) fn numeric_id(text: &str) -> Option<u32> {
    id(text).ok().flatten()
}

/// Returns the id if the text is one, `None` if it is a name.
fn id(text: &str) -> Result<Option<u32>, UserError> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    // The largest value means "no id" to the kernel.
    match text.parse::<u32>() {
        Ok(id) if id != u32::MAX => Ok(Some(id)),
        _ => Err(UserError::OutOfRange(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\ncnb:x:1000:1001::/home/cnb:\nbroken\n";
    const GROUP: &str = "root:x:0:\nweb:x:33:cnb\n";

    #[test]
    fn a_numeric_id_is_digits_within_range() {
        for text in ["", "+5", "-1", " 1", "1x", "4294967295", "4294967296"] {
            assert_eq!(numeric_id(text), None, "{text}");
        }
        assert_eq!((numeric_id("0"), numeric_id("1000")), (Some(0), Some(1000)));
    }

    fn ids(text: &str) -> Result<(u32, u32), UserError> {
        resolve(text, PASSWD, GROUP).map(|user| (user.uid, user.gid))
    }

    #[test]
    fn users_and_groups_resolve_by_name_and_number() {
        assert_eq!(ids(""), Ok((0, 0)));
        assert_eq!(ids("cnb"), Ok((1000, 1001)));
        assert_eq!(ids("1000"), Ok((1000, 1001)));
        assert_eq!(ids("cnb:web"), Ok((1000, 33)));
        assert_eq!(ids("7:8"), Ok((7, 8)));
        assert_eq!(ids("7"), Ok((7, 0)));
    }

    #[test]
    fn a_home_is_what_passwd_says_of_the_id() {
        let passwd = format!("{PASSWD}other:x:1000:1::/home/other:\nnone:x:7:7:::\nodd:x:8:8::home:\n");
        assert_eq!(home_of(1000, &passwd).as_deref(), Some("/home/cnb"), "the first entry counts");
        assert_eq!(home_of(0, &passwd).as_deref(), Some("/root"));
        for uid in [7, 8, 9] {
            assert_eq!(home_of(uid, &passwd), None);
        }
    }

    #[test]
    fn root_is_nobody_and_0_and_its_name() {
        for (text, expected) in
            [("", true), ("0", true), ("00:5", true), ("root:web", true), ("1", false), ("rooty", false)]
        {
            assert_eq!(is_root(text), expected, "{text}");
        }
    }

    #[test]
    fn ids_out_of_range_are_not_looked_up_as_names() {
        let passwd = "4294967296:x:0:0::/:\n";
        assert_eq!(resolve("4294967296", passwd, ""), Err(UserError::OutOfRange("4294967296".into())));
        assert!(ids("4294967295").is_err());
        assert!(ids("nobody").is_err());
        // To the kernel the largest id means "leave it as it is", which here is root.
        for id in ["4294967295", "4294967296", "-1", ""] {
            let evil = |uid: &str, gid: &str| resolve("evil", &format!("evil:x:{uid}:{gid}::/:\n"), "");
            assert_eq!(evil(id, "0"), Err(UserError::UnknownUser("evil".into())));
            assert_eq!(evil("1", id), Err(UserError::UnknownGroup(id.into())));
            assert!(resolve("1:evil", "", &format!("evil:x:{id}:\n")).is_err());
        }
        assert!(ids("cnb:nogroup").is_err());
    }
}
