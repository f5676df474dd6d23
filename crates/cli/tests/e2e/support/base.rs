//! Base images and builders of a busybox root file system, written byte by byte.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::image::sha256;
use super::world::{World, fixture, tool};

/// The programs that the tests' buildpacks call.
const PROGRAMS: &[&str] = &[
    "ash",
    "awk",
    "cat",
    "chmod",
    "cp",
    "cut",
    "dd",
    "echo",
    "env",
    "false",
    "find",
    "grep",
    "head",
    "id",
    "ip",
    "kill",
    "ln",
    "ls",
    "mkdir",
    "mkfifo",
    "mount",
    "mv",
    "printf",
    "pwd",
    "rm",
    "sed",
    "seq",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "tail",
    "test",
    "touch",
    "tr",
    "true",
    "uname",
    "wc",
    "yes",
];

/// The busybox root file system with what images of it have in common.
pub(crate) struct Base<'a> {
    world: &'a World,
}

/// A tar and its digest.
#[derive(Clone)]
pub(crate) struct Layer {
    pub(crate) tar: Vec<u8>,
}

impl<'a> Base<'a> {
    pub(crate) fn of(world: &'a World) -> Self {
        Self { world }
    }

    /// Makes a builder at `builder` and its run image in the layout repository.
    pub(crate) fn with_builder(world: &'a World) -> Self {
        let base = Self::of(world);
        let busybox = base.busybox();
        base.write_run_image(&base.repository("example.test/run/1"), "1", std::slice::from_ref(&busybox), Media::Oci);
        let order = "[[order]]\n[[order.group]]\nid = \"test/tools\"\nversion = \"1.0\"\n\
                     [[order.group]]\nid = \"test/web\"\nversion = \"1.0\"\n\
                     [[order]]\n[[order.group]]\nid = \"test/script\"\nversion = \"1.0\"\n";
        base.write_builder(&world.path("builder"), &busybox, order, &["tools", "web", "script"]);
        base
    }

    /// Where an image of a name is in the layout repository.
    pub(crate) fn repository(&self, name: &str) -> PathBuf {
        self.world.path("home/.local/share/dhow/layout-repo").join(name)
    }

    /// The layer of the root file system.
    pub(crate) fn busybox(&self) -> Layer {
        let tree = self.world.path("trees/busybox");
        for directory in ["bin", "dev", "etc", "home/cnb", "layers", "proc", "sys", "tmp", "workspace"] {
            fs::create_dir_all(tree.join(directory)).unwrap();
        }
        fs::copy(tool("busybox"), tree.join("bin/busybox")).unwrap();
        for program in PROGRAMS {
            let link = tree.join("bin").join(program);
            if fs::symlink_metadata(&link).is_err() {
                symlink("busybox", link).unwrap();
            }
        }
        write(&tree.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\ncnb:x:1000:1000::/home/cnb:/bin/sh\n");
        write(&tree.join("etc/group"), "root:x:0:\ncnb:x:1000:\n");
        write(&tree.join("etc/os-release"), "ID=busybox\nVERSION_ID=\"1\"\n");
        for path in [tree.join("bin/busybox"), tree.join("bin"), tree.join("etc"), tree.join("tmp")] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Layer::of(&tree)
    }

    /// Writes a run image of layers.
    pub(crate) fn write_run_image(&self, layout: &Path, tag: &str, layers: &[Layer], media: Media) -> String {
        let config = json!({
            "User": "1000:1000",
            "Env": ["PATH=/bin", "OF_THE_BASE=yes"],
            "Labels": {
                "io.buildpacks.base.distro.name": "busybox",
                "io.buildpacks.base.distro.version": "1",
                "org.example.of-the-base": "yes",
            },
        });
        let annotations = json!({
            "org.opencontainers.image.base.name": "example.test/below:1",
            "org.opencontainers.image.base.digest": sha256(b"below"),
            "org.example.inherited": "by every image on this base",
            "org.opencontainers.image.version": "of the base alone",
        });
        write_image(layout, tag, layers, &config, &annotations, media)
    }

    /// Writes a builder with buildpacks of `tests/fixtures`.
    pub(crate) fn write_builder(&self, layout: &Path, busybox: &Layer, order: &str, buildpacks: &[&str]) {
        self.write_builder_on(layout, std::slice::from_ref(busybox), &[], order, buildpacks);
    }

    /// Writes a builder of these layers and variables besides the usual, whose one buildpack is `test/script`.
    pub(crate) fn write_script_builder(&self, layout: &Path, layers: &[Layer], variables: &[&str]) {
        let order = "[[order]]\n[[order.group]]\nid = \"test/script\"\nversion = \"1.0\"\n";
        self.write_builder_on(layout, layers, variables, order, &["script"]);
    }

    fn write_builder_on(&self, layout: &Path, layers: &[Layer], variables: &[&str], order: &str, buildpacks: &[&str]) {
        let tree = self.world.path(format!("trees/{}", layout.file_name().unwrap().display()));
        for name in buildpacks {
            let source = fixture("buildpacks").join(name);
            let target = tree.join(format!("cnb/buildpacks/test_{name}/1.0"));
            for file in ["buildpack.toml", "bin/detect", "bin/build"] {
                let path = target.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::copy(source.join(file), &path).unwrap();
                let mode = if file.starts_with("bin/") { 0o755 } else { 0o644 };
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            }
        }
        write(&tree.join("cnb/order.toml"), order);
        write(&tree.join("cnb/run.toml"), "[[images]]\nimage = \"example.test/run:1\"\n");
        let environment = [&["PATH=/bin", "CNB_USER_ID=1000", "CNB_GROUP_ID=1000"], variables].concat();
        let config = json!({
            "User": "1000:1000",
            "Env": environment,
            "Labels": { "io.buildpacks.base.distro.name": "busybox", "io.buildpacks.base.distro.version": "1" },
        });
        write_image(layout, "latest", &[layers, &[Layer::of(&tree)]].concat(), &config, &json!({}), Media::Oci);
    }
}

/// Whose media types an image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    Oci,
    /// As `Oci`, with layers that the config knows by SHA-512.
    Sha512,
    Docker,
}

impl Layer {
    /// Makes a layer of a directory: everything is root's.
    pub(crate) fn of(tree: &Path) -> Self {
        Self::owned(tree, 0)
    }

    /// Makes a layer of a directory: everything belongs to this user and the group of the same number.
    pub(crate) fn owned(tree: &Path, id: u32) -> Self {
        let names: Vec<_> = fs::read_dir(tree).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        let names: Vec<&str> = names.iter().map(|name| name.to_str().unwrap()).collect();
        Self::some_of(tree, &names, (id, id))
    }

    /// Makes a layer of parts of a directory, which belong to a user and a group. The directories above them have no entry.
    pub(crate) fn some_of(tree: &Path, parts: &[&str], (user, group): (u32, u32)) -> Self {
        let ids = [format!("--owner={user}"), format!("--group={group}")];
        let output = Command::new(tool("tar"))
            .args(["--create", "--format=gnu", "--sort=name", "--mtime=@1", "--numeric-owner"])
            .args(ids)
            .arg("--directory")
            .arg(tree)
            .args(parts)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        Self { tar: output.stdout }
    }
}

/// Writes an image into a layout that holds nothing else, and returns its digest.
pub(crate) fn write_image(
    layout: &Path,
    tag: &str,
    layers: &[Layer],
    config: &Value,
    annotations: &Value,
    media: Media,
) -> String {
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        let digest = sha256(bytes);
        write(&blobs.join(digest.trim_start_matches("sha256:")), bytes);
        digest
    };
    let [of_manifest, of_config, of_layer] = match media {
        Media::Oci | Media::Sha512 => {
            ["oci.image.manifest.v1+json", "oci.image.config.v1+json", "oci.image.layer.v1.tar"]
        }
        Media::Docker => [
            "docker.distribution.manifest.v2+json",
            "docker.container.image.v1+json",
            "docker.image.rootfs.diff.tar.gzip",
        ],
    }
    .map(|kind| format!("application/vnd.{kind}"));
    let mut descriptors = Vec::new();
    let mut diff_ids = Vec::new();
    for layer in layers {
        diff_ids.push(if media == Media::Sha512 { sha512(&layer.tar) } else { sha256(&layer.tar) });
        let bytes = if media == Media::Docker { gzip(layout, &layer.tar) } else { layer.tar.clone() };
        descriptors.push(json!({ "mediaType": of_layer, "digest": put(&bytes), "size": bytes.len() }));
    }
    let platform = dhow_oci::Platform::host();
    let config = serde_json::to_vec(&json!({
        "created": "2020-01-01T00:00:00Z",
        "architecture": platform.architecture,
        "os": platform.os,
        "config": config,
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": diff_ids.iter().map(|_| json!({ "created_by": "a test" })).collect::<Vec<_>>(),
    }))
    .unwrap();
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": of_manifest,
        "config": { "mediaType": of_config, "digest": put(&config), "size": config.len() },
        "layers": descriptors,
    });
    if media != Media::Docker {
        manifest["annotations"] = annotations.clone();
    }
    let manifest = serde_json::to_vec(&manifest).unwrap();
    let digest = put(&manifest);
    let entry = json!({
        "mediaType": of_manifest,
        "digest": digest,
        "size": manifest.len(),
        "annotations": { "org.opencontainers.image.ref.name": tag },
    });
    let index = json!({ "schemaVersion": 2, "manifests": [entry] });
    write(&layout.join("index.json"), index.to_string());
    write(&layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#);
    digest
}

fn sha512(bytes: &[u8]) -> String {
    let mut hasher = dhow_oci::Hasher::sha512();
    hasher.update(bytes);
    hasher.finish().to_string()
}

fn gzip(layout: &Path, bytes: &[u8]) -> Vec<u8> {
    let scratch = layout.with_extension("scratch");
    fs::write(&scratch, bytes).unwrap();
    let output = Command::new("gzip").arg("-nc").arg(&scratch).output().unwrap();
    fs::remove_file(scratch).unwrap();
    output.stdout
}

fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
}
