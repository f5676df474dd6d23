//! Images on their way to and from Debian's docker-registry.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::{Base, Image, Media, World, blobs};

struct Registry {
    child: Child,
    host: String,
}

impl Registry {
    fn start(world: &World) -> Self {
        let data = world.path("registry");
        // Another test may take a port that was found free, so a registry that ended is started again on another one.
        for _ in 0..20 {
            let host = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
            let config = format!(
                "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nhttp: {{addr: {host}}}\n\
                 storage: {{filesystem: {{rootdirectory: {}}}}}\n",
                data.display()
            );
            let mut child = Command::new("docker-registry")
                .arg("serve")
                .arg(world.write("registry.yml", config))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("the package docker-registry is installed");
            while child.try_wait().unwrap().is_none() {
                std::thread::sleep(Duration::from_millis(100));
                if TcpStream::connect(&host).is_ok() && child.try_wait().unwrap().is_none() {
                    return Self { child, host };
                }
            }
        }
        panic!("docker-registry does not listen");
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn skopeo(arguments: &[&str]) {
    let output = Command::new("skopeo").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn what_is_pushed_is_read_by_skopeo_and_what_skopeo_pushes_is_pulled() {
    let world = World::new();
    let registry = Registry::start(&world);
    let base = Base::of(&world);
    let digest = base.write_run_image(&world.path("app"), "latest", &[base.busybox()], Media::Oci);
    let name = format!("{}/team/app:v1", registry.host);
    let outcome = world.dhow(["push", "oci:app", &name]).run().success();
    assert_eq!(outcome.stdout, format!("{}/team/app@{digest}\n", registry.host));
    world.dhow(["push", "oci:app", &name]).run().success().says("0 blobs sent, 3 were there");
    let layout = format!("oci:{}:x", world.path("by-skopeo").display());
    skopeo(&["copy", "--preserve-digests", "--src-tls-verify=false", &format!("docker://{name}"), &layout]);
    assert_eq!(Image::read(world.path("by-skopeo"), "x").digest(), digest);

    let other = format!("docker://{}/other:v2", registry.host);
    skopeo(&["copy", "--preserve-digests", "--dest-tls-verify=false", &layout, &other]);
    let outcome = world.dhow(["pull", &other, "oci:pulled:v2"]).run().success();
    assert_eq!(outcome.stdout, format!("oci:pulled@{digest}\n"));
    assert_eq!(Image::read(world.path("pulled"), "v2").digest(), digest);
    assert_eq!(blobs(world.path("pulled")), blobs(world.path("app")));
    world.dhow(["layout", "check", "pulled"]).run().success();
    world.dhow(["pull", &name]).run().success();
    world.dhow(["run", &name, "--", "true"]).run().success();
}

#[test]
fn what_is_not_there_is_told_and_nothing_is_left_behind() {
    let world = World::new();
    let registry = Registry::start(&world);
    let base = Base::of(&world);
    base.write_run_image(&world.path("app"), "latest", &[base.busybox()], Media::Oci);
    world.dhow(["push", "oci:app", &format!("{}/team/app:v1", registry.host)]).run().success();
    let missing = format!("{}/team/app:v2", registry.host);
    let outcome = world.dhow(["pull", &missing, "oci:pulled"]).run().exits(1);
    assert!(outcome.stderr.contains("has no image `v2`; it has `v1`"), "{}", outcome.stderr);
    assert!(!world.path("pulled").exists());
    let host = registry.host.clone();
    drop(registry);
    let outcome = world.dhow(["pull", &missing, "oci:pulled"]).run().exits(1);
    assert!(outcome.stderr.contains(&format!("the connection to http://{host} failed")), "{}", outcome.stderr);
}
