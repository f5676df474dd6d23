//! The difficult tree.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Makes `path` and its parents below `host` with mode 0755 and returns it.
pub(crate) fn make_directories(host: &Path, path: &str) -> PathBuf {
    let mut current = host.to_owned();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        current.push(part);
        directory(&current, 0o755);
    }
    current
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn directory(path: &Path, bits: u32) {
    if !path.is_dir() {
        std::fs::DirBuilder::new().mode(0o700).create(path).unwrap();
    }
    mode(path, bits);
}

fn write(path: PathBuf, content: impl AsRef<[u8]>) -> PathBuf {
    std::fs::write(&path, content).unwrap();
    mode(&path, 0o644);
    path
}

/// Fills `path` below `host`: lengths of some names depend on the length of `path`.
pub(crate) fn fill(host: &Path, path: &str) {
    let base = make_directories(host, path);
    let at = |name: &str| base.join(name);
    for (name, bits) in
        [("empty", 0o755), ("empty700", 0o700), ("sticky", 0o1777), ("setgiddir", 0o2755), ("ro", 0o500)]
    {
        directory(&at(name), bits);
    }
    links(&base);
    for bits in [0o400, 0o444, 0o600, 0o640, 0o644, 0o666, 0o755, 0o777, 0o4755, 0o2755, 0o1755, 0o6755, 0o7777] {
        let name = if bits > 0o777 { format!("{bits:05o}") } else { format!("{bits:04o}") };
        let file = write(at(&format!("m{name}")), &name);
        mode(&file, bits);
    }
    for (name, size) in [("zero", 0), ("s511", 511), ("s512", 512), ("s513", 513), ("s1024", 1024)] {
        write(at(name), "x".repeat(size));
    }
    names(&base);
    sorting(&base);
    lengths(&base, path);
    for name in ["old", "future", "neg"] {
        write(at(name), &name[..1]);
    }
}

fn links(base: &Path) {
    let at = |name: &str| base.join(name);
    write(at("target"), "target");
    let (long, longer) = ("t".repeat(100), "t".repeat(101));
    for (name, target) in [
        ("rel", "target"),
        ("abs", "/etc/passwd"),
        ("dangling", "no/such"),
        ("selfdir", "."),
        ("up", "../.."),
        ("dirlink", "empty"),
        ("link100", &long),
        ("link101", &longer),
        ("linkutf", "té"),
        ("hardsym", "target"),
    ] {
        symlink(target, at(name)).unwrap();
    }
    directory(&at("sub"), 0o755);
    std::fs::hard_link(at("target"), at("hard")).unwrap();
    std::fs::hard_link(at("target"), at("sub/hard2")).unwrap();
    symlink("/no/such", at("sub/d")).unwrap();
}

fn names(base: &Path) {
    directory(&base.join("diré"), 0o755);
    for (name, content) in [
        (&b"with space"[..], "sp"),
        (b" lead", "lead"),
        (b"trail ", "trail"),
        (b".hidden", "dot"),
        (b"..two", "dd"),
        (b"...", "ddd"),
        (b"-dash", "dash"),
        (b"new\nline", "nl"),
        (b"tab\there", "tab"),
        (b"back\\slash", "bs"),
        (b"quote'\"q", "q"),
        (b"star*?[x]", "st"),
        (b"a=b", "eq"),
        (b"c:d", "colon"),
        (b"%41%", "pct"),
        ("unicodé".as_bytes(), "u"),
        (b"unicode\xcc\x81", "nfd"),
        ("日本語".as_bytes(), "jp"),
        ("😀".as_bytes(), "emoji"),
        (b"del\x7f", "del"),
        (b"ctl\x01", "ctl"),
        ("diré/in".as_bytes(), "in"),
        (b"latin\xe9", "l1"),
        (b"\xff\xfe", "bad"),
    ] {
        write(base.join(OsStr::from_bytes(name)), content);
    }
}

fn sorting(base: &Path) {
    directory(&base.join("a"), 0o755);
    directory(&base.join("a/c"), 0o755);
    for (name, content) in [
        ("a/b", "ab"),
        ("a.b", "a.b"),
        ("a-b", "a-b"),
        ("A", "A"),
        ("a_b", "a_b"),
        ("a0", "a0"),
        ("a!", "a!"),
        ("B", "B"),
        ("b", "b"),
        ("a/c/x", "x"),
        ("a/c.x", "c.x"),
        ("a/c-x", "c-x"),
    ] {
        write(base.join(name), content);
    }
}

fn lengths(base: &Path, path: &str) {
    let at = |name: &str| base.join(name);
    directory(&at("len"), 0o755);
    for length in [98, 99, 100, 101, 154, 155, 156, 200, 254, 255] {
        write(at("len").join("n".repeat(length)), length.to_string());
    }
    // Paths of an exact length, for the split into prefix and name.
    let below = format!("len2/{}", "p".repeat(90));
    make_directories(base, &below);
    let taken = path.len() + 1 + below.len() + 1;
    for length in [99_usize, 100, 101, 155, 156, 157, 254, 255, 256, 257, 258, 300] {
        if (taken + 1..=taken + 255).contains(&length) {
            write(at(&below).join("f".repeat(length - taken)), length.to_string());
        }
    }
    let third = make_directories(base, &format!("len3/{}", "d".repeat(155)));
    write(third.join("e".repeat(100)), "1");
    write(third.join("e".repeat(101)), "2");
    let most = 155 - path.len() - 6;
    let full = make_directories(base, &format!("len4/{}", "g".repeat(most)));
    let over = make_directories(base, &format!("len4/{}", "h".repeat(most + 1)));
    write(full.join("i".repeat(100)), "max");
    write(full.join("i".repeat(101)), "over");
    write(over.join("i".repeat(100)), "over");
    let deep = make_directories(base, &format!("{}/{}/{}", "A".repeat(200), "B".repeat(200), "C".repeat(200)));
    write(deep.join("file"), "deep");
    symlink("../x", deep.join("link")).unwrap();
    directory(&at("lené"), 0o755);
    write(at("lené").join("u".repeat(120)), "u");
    write(at("lené").join("é".repeat(60)), "u");
}

/// Puts one special file beside an ordinary one.
pub(crate) fn special(base: &Path, kind: &str) {
    write(base.join("t"), "t");
    match kind {
        "fifo" => {
            let path = base.join("fifo");
            let bits = rustix::fs::Mode::from_raw_mode(0o644);
            rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, bits, 0).unwrap();
            mode(&path, 0o644);
        }
        "socket" => drop(std::os::unix::net::UnixListener::bind(base.join("sock")).unwrap()),
        "unreadable" => mode(&write(base.join("m0000"), "secret"), 0),
        other => panic!("no {other}"),
    }
}
