//! Images.

use std::io::Write;
use std::time::Duration;

use atoll_engine::Caller;
use atoll_ports::{PullProgress, Role};
use atoll_testkit::{Fault, Gate, StoreFault, samples};
use atoll_types::{ErrorCode, ImageName, SandboxTemplate};
use parking_lot::Mutex;

use crate::world::{LAYERLESS, World, sandbox};

/// An archive of this size; the fake takes its length for its digest.
fn archive(bytes: usize) -> std::fs::File {
    let path = std::env::temp_dir().join(format!("atoll-engine-{}", atoll_types::ExecId::random()));
    let mut file = std::fs::File::create_new(&path).unwrap();
    file.write_all(&vec![0; bytes]).unwrap();
    std::fs::remove_file(&path).unwrap();
    file
}

#[test]
fn content_lives_as_long_as_a_name_or_a_sandbox_stands_for_it() {
    let world = World::new();
    let serve = world.serve();
    let name: ImageName = samples::parse("debian");
    let kept = || world.images.kept.lock().len();
    let import = |size| {
        serve.run(serve.engine.image_import(
            &world.caller,
            name.clone(),
            SandboxTemplate::default(),
            archive(size),
        ))
    };
    let first = import(1).unwrap();
    let mut new = sandbox();
    new.image = Some(name.clone());
    let id = serve.create(&world, new).unwrap().record.id;
    import(2).unwrap();
    assert_eq!(kept(), 2, "a sandbox stands for the old content");
    import(2).unwrap();
    assert_eq!(kept(), 2);
    serve.run(serve.engine.image_delete(&world.caller, &name)).unwrap();
    assert!(world.images.kept.lock().contains(&first.digest));
    assert_eq!(kept(), 1);
    let gone = serve.run(serve.engine.image_delete(&world.caller, &name)).unwrap_err();
    assert_eq!(gone.code, ErrorCode::ImageNotFound);
    serve.run(serve.engine.sandbox_delete(&world.caller, &id)).unwrap();
    assert_eq!(kept(), 0, "its last user took it along");
}

#[test]
fn an_import_that_cannot_be_written_down_keeps_nothing() {
    let world = World::new();
    let serve = world.serve();
    world.store.faults().nth_of("image_put", 1, Fault::Before(StoreFault));
    let import = serve.engine.image_import(
        &world.caller,
        samples::parse("debian"),
        SandboxTemplate::default(),
        archive(1),
    );
    assert_eq!(serve.run(import).unwrap_err().code, ErrorCode::Unavailable);
    assert!(world.images.kept.lock().is_empty());
}

#[test]
fn a_name_belongs_to_who_imported_it() {
    let world = World::new();
    let serve = world.serve();
    let (other, admin) = (world.user(Role::User), world.user(Role::Admin));
    let name: ImageName = samples::parse("debian");
    serve
        .run(serve.engine.image_import(&world.caller, name.clone(), SandboxTemplate::default(), archive(1)))
        .unwrap();
    let taken = serve
        .run(serve.engine.image_import(&other, name.clone(), SandboxTemplate::default(), archive(2)))
        .unwrap_err();
    assert_eq!(taken.code, ErrorCode::Forbidden);
    let theirs = serve.run(serve.engine.image_delete(&other, &name)).unwrap_err();
    assert_eq!(theirs.code, ErrorCode::Forbidden);
    let host = serve
        .run(serve.engine.image_import(
            &admin,
            samples::parse("host"),
            SandboxTemplate::default(),
            archive(1),
        ))
        .unwrap_err();
    assert_eq!(host.code, ErrorCode::InvalidRequest);
    let mut new = sandbox();
    new.image = Some(samples::parse("nothing"));
    assert_eq!(serve.create(&world, new).unwrap_err().code, ErrorCode::ImageNotFound);
    serve.run(serve.engine.image_delete(&admin, &name)).unwrap();
}

/// serve dies when the content is there and its record is not: the next one removes it, and what has a record stays.
#[test]
fn content_of_an_import_that_died_before_its_record_is_removed() {
    let world = World::new();
    let kept = {
        let serve = world.serve();
        let import = serve.engine.image_import(
            &world.caller,
            samples::parse("kept"),
            SandboxTemplate::default(),
            archive(1),
        );
        let kept = serve.run(import).unwrap().digest;
        world.store.faults().nth_of("image_put", 1, Fault::Wait(Gate::closed()));
        let (engine, caller) = (serve.engine.clone(), world.caller.clone());
        let _dies = serve.start(async move {
            engine.image_import(&caller, samples::parse("lost"), SandboxTemplate::default(), archive(2)).await
        });
        serve.pass(Duration::from_secs(1));
        assert_eq!(world.images.kept.lock().len(), 2);
        // While it goes on nobody takes its content away.
        serve.pass(Duration::from_secs(120));
        assert_eq!(world.images.kept.lock().len(), 2, "the content of an import under way");
        kept
    };
    let _serve = world.serve();
    assert_eq!(world.images.kept.lock().iter().collect::<Vec<_>>(), [&kept]);
}

#[test]
fn an_image_that_a_sandbox_is_made_of_is_not_removed() {
    let world = World::new();
    let serve = world.serve();
    let name: ImageName = samples::parse("debian");
    let import =
        serve.engine.image_import(&world.caller, name.clone(), SandboxTemplate::default(), archive(1));
    serve.run(import).unwrap();
    let mut new = sandbox();
    new.image = Some(name.clone());
    let id = serve.create(&world, new).unwrap().record.id;
    let used = serve.run(serve.engine.image_delete(&world.caller, &name)).unwrap_err();
    assert_eq!(used.code, ErrorCode::ImageInUse);
    serve.run(serve.engine.sandbox_stop(&world.caller, &id)).unwrap();
    let used = serve.run(serve.engine.image_delete(&world.caller, &name)).unwrap_err();
    assert_eq!(used.code, ErrorCode::ImageInUse);
    serve.run(serve.engine.sandbox_delete(&world.caller, &id)).unwrap();
    serve.run(serve.engine.image_delete(&world.caller, &name)).unwrap();
    assert!(world.images.kept.lock().is_empty());
}

#[test]
fn an_image_of_a_registry_is_pulled_by_who_may_give_its_name() {
    let world = World::new();
    let serve = world.serve();
    world.registry.put("a.example/app:1", &[0; 7]);
    let name: ImageName = samples::parse("app");
    let pull = |caller: &Caller, name: &str, reference: &str| {
        let reference = samples::parse(reference);
        let told = Mutex::new(Vec::new());
        let tell = |progress| told.lock().push(progress);
        let pull = serve.engine.image_pull(
            caller,
            samples::parse(name),
            &reference,
            SandboxTemplate::default(),
            &tell,
        );
        serve.run(pull).map(|image| (image, told.into_inner()))
    };
    let (image, told) = pull(&world.caller, "app", "a.example/app:1").unwrap();
    assert_eq!((image.name, image.size_bytes), (name, 7));
    assert_eq!((told.len(), told.last()), (3, Some(&PullProgress::Unpacking)));
    let other = world.user(Role::User);
    let code = |caller, name, reference| pull(caller, name, reference).unwrap_err().code;
    assert_eq!(code(&other, "app", "a.example/app:1"), ErrorCode::Forbidden);
    assert_eq!(code(&world.caller, "host", "a.example/app:1"), ErrorCode::InvalidRequest);
    assert_eq!(code(&world.caller, "app", "a.example/app:2"), ErrorCode::ImageNotFound);
    assert_eq!(code(&world.caller, "app", "app:1"), ErrorCode::InvalidRequest);
    assert_eq!(world.images.kept.lock().len(), 1);
}

#[test]
fn an_image_is_pushed_by_who_may_and_with_the_operators_credentials_only_by_an_admin() {
    let world = World::new();
    let serve = world.serve();
    let (other, admin) = (world.user(Role::User), world.user(Role::Admin));
    let name: ImageName = samples::parse("debian");
    serve
        .run(serve.engine.image_import(&world.caller, name.clone(), SandboxTemplate::default(), archive(7)))
        .unwrap();
    let push = |caller: &Caller, name: &str, reference: &str| {
        let (name, reference) = (samples::parse(name), samples::parse(reference));
        serve.run(serve.engine.image_push(caller, &name, &reference, &|_| {}))
    };
    let reference = "a.example/team/app:1";
    push(&world.caller, "debian", reference).unwrap();
    push(&admin, "debian", reference).unwrap();
    let pushed = world.registry.pushed();
    let with_credentials: Vec<bool> = pushed.iter().map(|(_, image)| image.with_credentials).collect();
    assert_eq!(with_credentials, [false, true]);
    assert_eq!(
        (pushed[0].0.as_str(), pushed[0].1.exported.digest.as_str()),
        (reference, &*format!("{:064}", 7))
    );

    assert_eq!(push(&other, "debian", reference).unwrap_err().code, ErrorCode::Forbidden);
    assert_eq!(push(&admin, "host", reference).unwrap_err().code, ErrorCode::Forbidden);
    assert_eq!(push(&admin, "none", reference).unwrap_err().code, ErrorCode::ImageNotFound);
    for bad in ["team/app:1".to_owned(), format!("a.example/app@sha256:{}", "a".repeat(64))] {
        assert_eq!(push(&admin, "debian", &bad).unwrap_err().code, ErrorCode::InvalidRequest, "{bad}");
    }
    world.images.kept.lock().clear();
    assert_eq!(push(&admin, "debian", reference).unwrap_err().code, ErrorCode::ImageNotFound);
    assert_eq!(world.registry.pushed().len(), 0, "what is refused is not sent");
}

#[test]
fn a_layer_that_goes_while_the_rest_is_fetched_is_fetched_after_all() {
    let world = World::new();
    let serve = world.serve();
    world.registry.put("a.example/app:1", &[0; 8]);
    world.registry.put_without_layer("a.example/app:1", &[0; 4]);
    let pull = || {
        let reference = samples::parse("a.example/app:1");
        let template = SandboxTemplate::default();
        serve.run(serve.engine.image_pull(
            &world.caller,
            samples::parse("app"),
            &reference,
            template,
            &|_| {},
        ))
    };
    assert_eq!(pull().unwrap().size_bytes, 8);
    world.images.layers.lock().push(samples::digest('a'));
    assert_eq!(pull().unwrap().size_bytes, 4, "what is here is left out");
    // The archive without it is refused, as the layer is gone: then all of it is fetched.
    world.registry.put_without_layer("a.example/app:1", &[0; LAYERLESS]);
    assert_eq!(pull().unwrap().size_bytes, 8);
    world.registry.put("a.example/app:1", &[0; LAYERLESS]);
    assert_eq!(pull().unwrap_err().code, ErrorCode::InvalidImage);
}
