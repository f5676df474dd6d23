//! Builders made of an imported base and buildpacks in directories.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail the test")]
#![expect(clippy::disallowed_methods, reason = "tests look at and change files as other programs would")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dhow_fs::{Root, Work};
use dhow_layer::{Entry, Owner, PackOptions, Reader};
use dhow_oci::{Image, Platform};
use dhow_platform::author::{BuilderConfig, BuilderImage, CreateError, CreateRequest, LifecyclePrograms, create};
use dhow_platform::import::{ImportRequest, import};
use dhow_platform::{Location, Place};
use dhow_store::{BlobSource, ImageSource, Layout, Query};

struct Silent;

impl dhow_platform::Events for Silent {
    fn emit(&self, _event: dhow_platform::Event<'_>) {}
}

struct Fixture {
    directory: tempfile::TempDir,
    work: Arc<Work>,
}

const CONFIG: &str = r#"
    description = "two buildpacks"
    [build]
    image = "oci:base"
    [[build.env]]
    name = "BP_A"
    value = "b"
    suffix = "default"
    [[run.images]]
    image = "example.org/run:1"
    mirrors = ["mirror.example.org/run:1"]
    [[buildpacks]]
    uri = "buildpacks/simple"
    [[buildpacks]]
    uri = "file://buildpacks/composite"
    version = "2"
    [[order]]
    group = [{ id = "example/composite" }]
    [[order]]
    group = [{ id = "example/simple", version = "1.0", optional = true }]
"#;

impl Fixture {
    fn new() -> Self {
        Self::with_base(&[("CNB_USER_ID", "1001"), ("CNB_GROUP_ID", "1002")], None)
    }

    fn with_base(environment: &[(&str, &str)], user: Option<&str>) -> Self {
        let fixture = Self { directory: tempfile::tempdir().unwrap(), work: Arc::default() };
        let simple = "api = \"0.10\"\n[buildpack]\nid = \"example/simple\"\nversion = \"1.0\"\nname = \"Simple\"\n\
                      [[targets]]\nos = \"linux\"\n";
        fixture.write("buildpacks/simple/buildpack.toml", simple, 0o664);
        fixture.write("buildpacks/simple/bin/detect", "#!/bin/sh\n", 0o775);
        fixture.write("buildpacks/simple/bin/build", "#!/bin/sh\n", 0o700);
        std::os::unix::fs::symlink("detect", fixture.path("buildpacks/simple/bin/link")).unwrap();
        let composite = "api = \"0.10\"\n[buildpack]\nid = \"example/composite\"\nversion = \"2\"\n[[order]]\n\
                         group = [{ id = \"example/simple\", version = \"1.0\" }]\n";
        fixture.write("buildpacks/composite/buildpack.toml", composite, 0o600);
        fixture.write("dhow", "the program", 0o755);
        let mut tar = Vec::new();
        let mut base = vec![Entry::file("etc/os-release", *b"ID=debian\nVERSION_ID=12\n", 0o644, Owner::ROOT)];
        if user == Some("cnb") {
            base.push(Entry::file("etc/passwd", *b"cnb:x:7:8::/home/cnb:/bin/sh\n", 0o644, Owner::ROOT));
        }
        dhow_layer::pack(&Root::host().unwrap(), &base, &mut tar, &PackOptions::new(&fixture.work)).unwrap();
        std::fs::write(fixture.path("rootfs.tar.gz"), tar).unwrap();
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let name = "example.org/build:1".parse().unwrap();
        let request = ImportRequest {
            rootfs: &fixture.path("rootfs.tar.gz"),
            destination: &fixture.place("base"),
            name: Some(&name),
            labels: &[],
            environment: &environment,
            user,
            platform: &Platform::host(),
            created: None,
        };
        import(&request, &fixture.work, &Silent).unwrap();
        fixture
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn place(&self, name: &str) -> Place {
        format!("oci:{}", self.path(name).display()).parse::<Location>().unwrap().place(Path::new("/none"))
    }

    fn write(&self, name: &str, content: &str, mode: u32) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    }

    fn create(&self, config: &str, destination: &str) -> Result<Image, CreateError> {
        let request = CreateRequest {
            config: &BuilderConfig::parse(config).unwrap(),
            directory: self.directory.path(),
            destination: &self.place(destination),
            layout_repository: Path::new("/none"),
            platform: &Platform::host(),
            labels: &[("org.example".to_owned(), "yes".to_owned())],
            programs: LifecyclePrograms { phases: &self.path("dhow"), launcher: Arc::from(*b"the launcher") },
        };
        create(&request, &self.work).map(|created| created.image)
    }

    /// The entries of the image's layers above the base, as `mode owner path`, with small files' content.
    fn listing(&self, layout: &str) -> Vec<String> {
        let layout = Layout::open(&self.path(layout), &self.work).unwrap();
        let image = layout.load(&Query::new(None, &Platform::host())).unwrap().image;
        let mut lines = Vec::new();
        for layer in &image.layers()[1..] {
            let (_, tar) = dhow_layer::decompress(layout.open(&layer.descriptor).unwrap()).unwrap();
            let mut reader = Reader::new(std::io::BufReader::new(tar), dhow_layer::Limits::default());
            while let Some(member) = reader.next_member().unwrap() {
                let owner = format!("{}:{}", member.owner.uid, member.owner.gid);
                lines.push(format!("{:04o} {owner} {}", member.mode, member.path.display()));
            }
        }
        lines
    }
}

#[test]
fn a_builder_has_the_labels_variables_and_files_of_the_contract() {
    let fixture = Fixture::new();
    let image = fixture.create(CONFIG, "builder").unwrap();
    let config = image.config().value();
    let builder = BuilderImage::of(config).unwrap();
    assert_eq!((builder.uid, builder.gid), (1001, 1002));
    assert_eq!(builder.metadata.description, "two buildpacks");
    let ids: Vec<_> = builder.metadata.buildpacks.iter().map(|module| module.id.as_str()).collect();
    assert_eq!(ids, ["example/simple", "example/composite"]);
    assert_eq!(builder.metadata.images[0].mirrors, ["mirror.example.org/run:1"]);
    assert_eq!(builder.metadata.stack.run_image.image, "example.org/run:1");
    assert_eq!(builder.order.len(), 2);
    assert_eq!(builder.order[0].group[0].version.as_ref().unwrap().as_str(), "2");
    assert!(builder.order[1].group[0].optional);
    let composite = &builder.layers["example/composite"]["2"];
    assert_eq!(composite.order[0].group[0].id.as_str(), "example/simple");
    let simple = &builder.layers["example/simple"]["1.0"];
    assert!(config.rootfs.diff_ids.iter().any(|diff_id| diff_id.to_string() == simple.layer_diff_id));
    assert_eq!(simple.targets[0].os, "linux");
    assert_eq!(config.config.user, "1001:1002");
    assert_eq!(config.label("org.example"), Some("yes"));
    assert_eq!(config.label("io.buildpacks.base.distro.name"), Some("debian"));
    assert_eq!(config.history.len(), config.rootfs.diff_ids.len());
    let annotations = &image.manifest().value().annotations;
    assert_eq!(annotations["org.opencontainers.image.base.name"], "example.org/build:1");
    let expected = [
        "0755 0:0 /cnb",
        "0755 0:0 /cnb/buildpacks",
        "0755 0:0 /cnb/extensions",
        "0755 1001:1002 /layers",
        "0755 0:0 /platform",
        "0755 0:0 /platform/env",
        "0755 1001:1002 /workspace",
        "0755 0:0 /cnb",
        "0755 0:0 /cnb/lifecycle",
        "0777 0:0 /cnb/lifecycle/analyzer",
        "0777 0:0 /cnb/lifecycle/builder",
        "0777 0:0 /cnb/lifecycle/creator",
        "0777 0:0 /cnb/lifecycle/detector",
        "0777 0:0 /cnb/lifecycle/exporter",
        "0777 0:0 /cnb/lifecycle/extender",
        "0777 0:0 /cnb/lifecycle/rebaser",
        "0777 0:0 /cnb/lifecycle/restorer",
        "0755 0:0 /cnb/lifecycle/launcher",
        "0755 0:0 /cnb/lifecycle/lifecycle",
        "0644 0:0 /cnb/lifecycle/lifecycle.toml",
        "0755 0:0 /cnb",
        "0755 0:0 /cnb/buildpacks",
        "0755 0:0 /cnb/buildpacks/example_simple",
        "0755 0:0 /cnb/buildpacks/example_simple/1.0",
        "0755 0:0 /cnb/buildpacks/example_simple/1.0/bin",
        "0755 0:0 /cnb/buildpacks/example_simple/1.0/bin/build",
        "0755 0:0 /cnb/buildpacks/example_simple/1.0/bin/detect",
        "0777 0:0 /cnb/buildpacks/example_simple/1.0/bin/link",
        "0644 0:0 /cnb/buildpacks/example_simple/1.0/buildpack.toml",
        "0755 0:0 /cnb",
        "0755 0:0 /cnb/buildpacks",
        "0755 0:0 /cnb/buildpacks/example_composite",
        "0755 0:0 /cnb/buildpacks/example_composite/2",
        "0644 0:0 /cnb/buildpacks/example_composite/2/buildpack.toml",
        "0755 0:0 /cnb",
        "0755 0:0 /cnb/build-config",
        "0755 0:0 /cnb/build-config/env",
        "0644 0:0 /cnb/build-config/env/BP_A.default",
        "0644 0:0 /cnb/order.toml",
        "0644 0:0 /cnb/run.toml",
        "0644 0:0 /cnb/stack.toml",
    ];
    assert_eq!(fixture.listing("builder"), expected);
}

#[test]
fn the_same_parts_give_the_same_builder_whatever_their_modes_and_times() {
    let digests = [0o755, 0o700].map(|mode| {
        let fixture = Fixture::new();
        let directory = fixture.path("buildpacks/simple/bin");
        std::fs::set_permissions(directory, PermissionsExt::from_mode(mode)).unwrap();
        fixture.create(CONFIG, "builder").unwrap().manifest().digest().clone()
    });
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn numbers_of_the_build_images_user_stand_in_for_missing_variables() {
    let image = Fixture::with_base(&[], Some("7:8")).create(CONFIG, "builder").unwrap();
    let builder = BuilderImage::of(image.config().value()).unwrap();
    assert_eq!((builder.uid, builder.gid), (7, 8));
    let error = Fixture::with_base(&[], Some("cnb")).create(CONFIG, "builder").unwrap_err();
    assert!(matches!(error, CreateError::BuildImageId { .. }));
    let contradiction = [("CNB_USER_ID", "cnb"), ("CNB_GROUP_ID", "1")];
    let error = Fixture::with_base(&contradiction, Some("7:8")).create(CONFIG, "builder").unwrap_err();
    assert!(matches!(error, CreateError::BuildImageId { .. }));
}

#[test]
fn mistakes_are_found_before_anything_is_written() {
    let fixture = Fixture::new();
    let replaced = |from: &str, to: &str| {
        let config = CONFIG.replace(from, to);
        assert_ne!(config, CONFIG);
        let error = fixture.create(&config, "builder").unwrap_err();
        assert!(!fixture.path("builder").exists());
        error
    };
    assert!(matches!(replaced("oci:base", "oci:none"), CreateError::BuildImage { .. }));
    assert!(matches!(replaced("buildpacks/simple", "docker://x"), CreateError::Uri(_)));
    assert!(matches!(replaced("buildpacks/simple", "none"), CreateError::Buildpack { .. }));
    assert!(matches!(replaced("version = \"2\"", "version = \"3\""), CreateError::Other { .. }));
    assert!(matches!(
        replaced("file://buildpacks/composite\"\n    version = \"2\"", "buildpacks/simple\""),
        CreateError::Twice(_)
    ));
    assert!(matches!(replaced("version = \"1.0\"", "version = \"9\""), CreateError::Order(_)));
    fixture.write("buildpacks/simple/bin/build", "", 0o644);
    assert!(matches!(fixture.create(CONFIG, "builder").unwrap_err(), CreateError::Buildpack { .. }));
}
