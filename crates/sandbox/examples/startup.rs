//! Measures what a container costs over a bare start of the same program.

#![expect(clippy::print_stdout, reason = "it is a measurement to be read")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use dhow_sandbox::{
    Access, HostIds, Identity, Job, Mount, Network, Privileges, RootFs, Scratch, Streams, plan_id_map, spawn,
};

fn main() -> Answer<()> {
    dhow_sandbox::init_if_asked();
    let program = "/usr/bin/true";
    let directory = std::env::temp_dir().join(format!("dhow-startup-{}", std::process::id()));
    let place = dhow_fs::Root::open(&std::env::temp_dir())?;
    let own = Path::new("/").join(directory.file_name().unwrap_or_default());
    place.create_directories(&own.join("layer/usr"), 0o755)?;
    place.create_directories(&own.join("scratch"), 0o755)?;
    let in_memory =
        RootFs::Overlay { lower: vec![directory.join("layer")], scratch: Scratch::Memory { bytes: Some(64 << 20) } };
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
        terminal: None,
        network: Network::Host,
        privileges: Privileges::None,
    };
    let (_, bare) = medians(|| {
        let start = Instant::now();
        Command::new(program).stdin(Stdio::null()).status()?;
        Ok((start.elapsed(), start.elapsed()))
    })?;
    println!("bare                                      {bare:>9.2?} to its end");
    for (name, root, network) in [
        ("tmpfs, host network", RootFs::Empty, Network::Host),
        ("tmpfs, no network", RootFs::Empty, Network::None),
        ("overlay in memory", in_memory, Network::Host),
        ("overlay on disk", overlay, Network::Host),
    ] {
        let job = Job { root, network, ..job.clone() };
        let (started, ended) = medians(|| {
            let start = Instant::now();
            let mut running = spawn(&job, Streams::inherit())?;
            let started = start.elapsed();
            running.wait()?;
            Ok((started, start.elapsed()))
        })?;
        println!("{name:<21} {started:>9.2?} to start, {ended:>9.2?} to its end  {:?} map", job.id_map.writer);
    }
    place.remove_all(&own)?;
    Ok(())
}

type Answer<T> = Result<T, Box<dyn std::error::Error>>;

fn medians(mut call: impl FnMut() -> Answer<(Duration, Duration)>) -> Answer<(Duration, Duration)> {
    let (mut started, mut ended) = (0..51).map(|_| call()).collect::<Answer<(Vec<_>, Vec<_>)>>()?;
    started.sort_unstable();
    ended.sort_unstable();
    Ok((started[25], ended[25]))
}
