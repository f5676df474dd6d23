//! Measures what a container costs over a bare start of the same program.

#![expect(clippy::print_stdout, reason = "it is a measurement to be read")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dhow_sandbox::{
    Access, HostIds, Identity, Job, Mount, Network, Privileges, RootFs, Scratch, Streams, plan_id_map, spawn,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    dhow_sandbox::init_if_asked();
    let program = "/usr/bin/true";
    let directory = std::env::temp_dir().join(format!("dhow-startup-{}", std::process::id()));
    let place = dhow_fs::Root::open(&std::env::temp_dir())?;
    let own = Path::new("/").join(directory.file_name().unwrap_or_default());
    place.create_directories(&own.join("layer/usr"), 0o755)?;
    place.create_directories(&own.join("scratch"), 0o755)?;
    let in_memory =
        RootFs::Overlay { lower: vec![directory.join("layer")], scratch: Scratch::Memory { bytes: 64 << 20 } };
    let overlay = RootFs::Overlay {
        lower: vec![directory.join("layer")],
        scratch: Scratch::Directory(directory.join("scratch")),
    };
    let mut mounts = vec![Mount::read_only("/usr", "/usr")];
    mounts.extend(["lib", "lib64"].map(|name| Mount::symlink(format!("usr/{name}"), format!("/{name}"))));
    let job = Job {
        root: RootFs::Empty,
        root_access: Access::ReadWrite,
        mounts,
        identity: Identity { uid: 1000, gid: 1000, supplementary: Vec::new() },
        id_map: plan_id_map(&HostIds::read(), 1000, 1000),
        argv: vec![program.into()],
        env: Vec::new(),
        cwd: "/".into(),
        hostname: "startup".to_owned(),
        network: Network::Host,
        privileges: Privileges::None,
    };
    let bare = median(|| Ok(Command::new(program).stdin(Stdio::null()).status().map(drop)?))?;
    println!("bare                  {bare:>9.2?}");
    for (name, root, network) in [
        ("tmpfs, host network", RootFs::Empty, Network::Host),
        ("tmpfs, no network", RootFs::Empty, Network::None),
        ("overlay in memory", in_memory, Network::Host),
        ("overlay on disk", overlay, Network::Host),
    ] {
        let job = Job { root, network, ..job.clone() };
        let contained = median(|| Ok(spawn(&job, Streams::inherit())?.wait().map(drop)?))?;
        println!("{name:<21} {contained:>9.2?}  {:?} map", job.id_map.writer);
    }
    place.remove_all(&own)?;
    Ok(())
}

fn median(
    mut call: impl FnMut() -> Result<(), Box<dyn std::error::Error>>,
) -> Result<Duration, Box<dyn std::error::Error>> {
    let mut times = Vec::new();
    for _ in 0..51 {
        let start = Instant::now();
        call()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}
