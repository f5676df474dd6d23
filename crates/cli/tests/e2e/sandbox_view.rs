//! What a buildpack sees of this machine, of the caller and of other images; and what a build leaves behind.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::LazyLock;

use crate::support::{World, is_root, sha256};

const CANARY: &str = "canary-8f3b1c";

/// Prints what a curious buildpack would look at.
const PROBE: &str = r#"
set +e
echo "== env"; env
echo "== environ of others"; cat /proc/*/environ 2>/dev/null | tr '\0' '\n'
echo "== command lines"; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' '; echo
echo "== status"; grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups)' /proc/self/status
echo "== id"; id -u; id -g
echo "== fds"; ls -l /proc/self/fd
echo "== mounts"; cat /proc/self/mountinfo
echo "== processes"; for entry in /proc/[0-9]*; do echo "$entry"; done
echo "== files"; cat "$CALLER_HOME"/.docker/config.json "$CALLER_HOME"/.ssh/id_rsa "$CALLER_HOME"/secret 2>&1
cat /root/secret /home/*/secret 2>&1
find / -xdev -name 'index.json' 2>/dev/null
find / -name 'oci-layout' -not -path '/proc/*' 2>/dev/null
ls /var/run/docker.sock /run/docker.sock 2>&1
echo "== writes"
for place in /cnb /cnb/lifecycle /cnb/buildpacks /platform /bin /etc /proc/sys/kernel /sys; do
    if echo x 2>/dev/null >"$place/.probe"; then echo "wrote $place"; fi
done
echo "== privileges"
mount -t tmpfs none /tmp 2>&1 && echo mounted
echo "== done"
"#;

/// A build whose caller has secrets everywhere; its whole output.
static PROBED: LazyLock<(World, String)> = LazyLock::new(|| {
    let world = World::with_script(PROBE);
    world.write("source/detect.sh", format!("({PROBE}) 2>&1 | sed 's/^/detect: /'\ntrue"));
    for file in ["home/.docker/config.json", "home/.ssh/id_rsa", "home/secret"] {
        world.write(file, CANARY);
    }
    let socket = world.path("agent.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    // A descriptor that is not closed on exec, as careless callers leave them.
    let leaked = fs::File::create(world.path("leaked-file")).unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    let home = world.path("home");
    let outcome = world
        .build_command("oci:app", "source", &["--verbose", "--env", &format!("CALLER_HOME={}", home.display())])
        .env("CNB_REGISTRY_AUTH", CANARY)
        .env("AWS_SECRET_ACCESS_KEY", CANARY)
        .env("SSH_AUTH_SOCK", &socket)
        .env("DOCKER_CONFIG", home.join(".docker"))
        .run()
        .success();
    drop((listener, leaked));
    (world, outcome.stderr)
});

/// The lines after `== name`.
fn section(name: &str) -> Vec<&'static str> {
    let text = &PROBED.1;
    let lines = text.lines().skip_while(|line| *line != format!("== {name}")).skip(1);
    let lines: Vec<&str> = lines.take_while(|line| !line.starts_with("== ")).collect();
    assert!(text.contains("== done"), "{text}");
    lines
}

#[test]
fn no_secret_of_the_caller_is_visible_or_in_anything_that_is_written() {
    let (world, output) = &*PROBED;
    assert!(!output.contains(CANARY), "{output}");
    assert!(!output.contains("agent.sock"), "{output}");
    // Detection said as much; its output is in the log because of --verbose.
    assert!(output.contains("detect: == done"), "{output}");
    assert!(output.contains("detect: CapEff:\t0000000000000000"), "{output}");
    let mut looked_at = 0;
    for directory in ["app", "home/.cache", "home/.local"] {
        each_file(&world.path(directory), &mut |path, bytes| {
            looked_at += 1;
            let found = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
            assert!(!found, "{}", path.display());
        });
    }
    assert!(looked_at > 20);
    let image = crate::support::Image::read(world.path("app"), "latest");
    let documents = image.manifest.to_string() + &image.config.to_string() + &image.entry.to_string();
    assert!(!documents.contains(CANARY) && !documents.contains(world.root().to_str().unwrap()), "{documents}");
}

#[test]
fn the_environment_is_the_builders_and_the_users() {
    let known = [
        "CALLER_HOME",
        "CNB_",
        "HOME",
        "HOSTNAME",
        "OLDPWD",
        "PATH",
        "PWD",
        "SHLVL",
        "SOURCE_DATE_EPOCH",
        "http_proxy",
        "https_proxy",
        "no_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "_",
    ];
    for line in section("env") {
        assert!(known.iter().any(|name| line.starts_with(name)), "{line}");
    }
}

#[test]
fn there_are_no_capabilities_no_new_privileges_and_a_filter() {
    let status: BTreeMap<&str, &str> = section("status")
        .into_iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.trim()))
        .collect();
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status[set], "0000000000000000", "{set}");
    }
    assert_eq!(status["NoNewPrivs"], "1");
    assert_eq!(status["Seccomp"], "2");
    // Without subordinate ids the kernel does not let go of the caller's groups: its own shows as the buildpacks', all
    // others as nobody's.
    let foreign = status["Groups"].split_whitespace().find(|group| is_root() || !["1000", "65534"].contains(group));
    assert_eq!(foreign, None);
    assert_eq!(section("id"), ["1000", "1000"]);
    assert!(!section("privileges").contains(&"mounted"));
}

#[test]
fn only_the_standard_streams_are_open() {
    let fds: Vec<&str> = section("fds");
    let numbers: Vec<&str> =
        fds.iter().filter_map(|line| line.split(" -> ").next()?.split_whitespace().last()).collect();
    // `ls` itself has the directory open.
    let expected: Vec<&&str> = numbers.iter().filter(|number| !["0", "1", "2"].contains(number)).collect();
    assert!(expected.len() <= 2 && !fds.iter().any(|line| line.contains("leaked-file")), "{fds:#?}");
}

#[test]
fn only_processes_of_the_build_are_seen() {
    let processes = section("processes");
    assert!(processes.len() <= 8, "{processes:?}");
    let commands = section("command lines").join("\n");
    assert!(!commands.contains("--builder"), "{commands}");
}

#[test]
fn no_layout_is_mounted_or_reachable() {
    let world = &PROBED.0;
    let files = section("files");
    let found: Vec<_> =
        files.iter().filter(|line| line.ends_with("/index.json") || line.ends_with("/oci-layout")).collect();
    assert!(found.is_empty(), "{found:?}");
    let layouts = [world.path("app"), world.path("builder"), world.path("home/.local")];
    for line in section("mounts") {
        let source = line.split_whitespace().nth(3).unwrap();
        for layout in &layouts {
            assert!(!Path::new(source).starts_with(layout) && !source.ends_with("/cache"), "{line}");
        }
    }
}

#[test]
fn nothing_of_builder_platform_and_system_can_be_written() {
    assert_eq!(section("writes"), Vec::<&str>::new());
}

#[test]
fn neither_the_apps_source_nor_its_times_are_changed_by_a_build() {
    let world = World::with_script("echo changed >kept; rm -rf gone; mkdir new; chmod 700 build.sh; echo x >new/file");
    world.write("source/kept", "kept");
    world.write("source/gone/file", "still here");
    fs::set_permissions(world.path("source/kept"), fs::Permissions::from_mode(0o640)).unwrap();
    let before = snapshot(&world.path("source"));
    world.build("oci:app", "source", &[]).success();
    world.build("oci:app", "source", &[]).success();
    assert_eq!(snapshot(&world.path("source")), before);
    let image = crate::support::Image::read(world.path("app"), "latest");
    assert_eq!(image.content("/workspace/kept"), "changed\n");
}

/// Path, mode, size, time and digest of everything below.
fn snapshot(directory: &Path) -> BTreeMap<String, (u32, i64, i64, String)> {
    let mut found = BTreeMap::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(path) = pending.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let digest = if metadata.is_file() { sha256(&fs::read(&path).unwrap()) } else { String::new() };
        found.insert(path.display().to_string(), (metadata.mode(), metadata.mtime(), metadata.mtime_nsec(), digest));
        if metadata.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    found
}

fn each_file(directory: &Path, look: &mut dyn FnMut(&Path, &[u8])) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            each_file(&path, look);
        } else if metadata.is_file()
            && let Ok(bytes) = fs::read(&path)
        {
            look(&path, &bytes);
        }
    }
}
