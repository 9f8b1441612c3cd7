use super::*;
use crate::world::{Group, InDocker, LoopDevice, Part, Thing};

fn process(pid: i32) -> Process {
    Process { pid, start_time: 7 }
}

/// Supervisor, serve and launcher run.
fn up() -> World {
    let part = |program, pid| Part { program, process: process(pid) };
    World {
        supervisor: Some(10),
        parts: vec![part(Program::Serve, 11), part(Program::Launcher, 12)],
        ..World::default()
    }
}

fn live(slot: u32) -> Traces {
    Traces {
        processes: [process(100), process(101)].into(),
        cgroups: vec!["/sys/fs/cgroup/memory/atoll-x/sandbox-y".into()],
        socket: true,
        files: true,
        exec_logs: true,
        unpacker: false,
        uid_slot: Some(slot),
        root: Root::Host("host-new".to_owned()),
    }
}

fn known(id: &SandboxId, uid_slot: u32, running: bool) -> Records {
    Records { sandboxes: [(id.clone(), Recorded { uid_slot, running })].into(), ..Records::default() }
}

fn told(findings: &[Finding]) -> Vec<(Severity, Kind, bool)> {
    findings.iter().map(|finding| (finding.severity, finding.kind, finding.fixable)).collect()
}

#[test]
fn a_live_sandbox_with_a_record_is_no_finding_whoever_is_down() {
    let id = SandboxId::random();
    let records = known(&id, 3, true);
    let with = |world: World| World { sandboxes: [(id.clone(), live(3))].into(), ..world };
    let mut no_serve = up();
    no_serve.parts.remove(0);
    for mut world in [with(up()), with(no_serve), with(World::default())] {
        world.pool_mount = Some("/d/native/pool".into());
        world.loop_devices = vec![LoopDevice { path: "/dev/loop0".into(), deleted: false }];
        world.groups = vec![Group { path: "/c/atoll-x".into(), owner: GroupOwner::Base }];
        assert_eq!(examine(&world, &records), [], "{world:?}");
    }
}

#[test]
fn a_sandbox_without_a_record_is_found_by_each_of_its_traces() {
    let world = World { sandboxes: [(SandboxId::random(), live(3))].into(), ..up() };
    let findings = examine(&world, &Records::default());
    let kinds = [Kind::Process, Kind::Cgroup, Kind::Files, Kind::Socket, Kind::ExecLog];
    assert_eq!(told(&findings), kinds.map(|kind| (Severity::Leak, kind, true)));
    assert_eq!(findings[0].problem, "2 processes run, and no record knows the sandbox");
}

#[test]
fn an_import_under_way_is_no_finding_and_without_a_launcher_it_is() {
    let cage = Traces { socket: false, files: false, exec_logs: false, unpacker: true, ..live(0) };
    let world = World { sandboxes: [(SandboxId::random(), cage)].into(), ..up() };
    assert_eq!(examine(&world, &Records::default()), []);
    let world = World { sandboxes: world.sandboxes, ..World::default() };
    let kinds = [Kind::Process, Kind::Cgroup];
    assert_eq!(told(&examine(&world, &Records::default())), kinds.map(|kind| (Severity::Leak, kind, true)));
}

#[test]
fn what_a_stopped_sandbox_leaves_is_wrong_only_while_somebody_could_remove_it() {
    let id = SandboxId::random();
    let traces = Traces { processes: [].into(), ..live(3) };
    for (world, severity) in [(up(), Severity::Leak), (World::default(), Severity::Idle)] {
        let world = World { sandboxes: [(id.clone(), traces.clone())].into(), ..world };
        let findings = examine(&world, &known(&id, 3, false));
        assert_eq!(told(&findings), [(severity, Kind::Cgroup, false), (severity, Kind::Socket, false)]);
    }
    let files_only = Traces { cgroups: vec![], socket: false, ..traces };
    let world = World { sandboxes: [(id.clone(), files_only)].into(), ..up() };
    assert_eq!(examine(&world, &known(&id, 3, false)), []);
}

#[test]
fn a_record_of_a_running_sandbox_that_is_not_there_is_wrong_when_serve_should_know() {
    let id = SandboxId::random();
    assert_eq!(told(&examine(&up(), &known(&id, 3, true))), [(Severity::Leak, Kind::Record, false)]);
    assert_eq!(
        told(&examine(&World::default(), &known(&id, 3, true))),
        [(Severity::Idle, Kind::Record, false)]
    );
    assert_eq!(examine(&up(), &known(&id, 3, false)), []);
}

#[test]
fn user_ids_are_one_sandboxs_and_those_of_its_record() {
    let (one, two) = (SandboxId::random(), SandboxId::random());
    let world = World { sandboxes: [(one.clone(), live(3)), (two.clone(), live(3))].into(), ..up() };
    let mut records = known(&one, 3, true);
    records.sandboxes.insert(two.clone(), Recorded { uid_slot: 4, running: true });
    let findings = examine(&world, &records);
    let mut names: Vec<&str> = findings.iter().map(|finding| finding.name.as_str()).collect();
    names.sort_unstable();
    let mut expected = vec!["3", two.as_str()];
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert!(findings.iter().all(|finding| finding.kind == Kind::UidSlot && !finding.fixable));
}

#[test]
fn parts_without_a_supervisor_are_leaks() {
    let world = World { supervisor: None, ..up() };
    assert_eq!(told(&examine(&world, &Records::default())), [(Severity::Leak, Kind::Process, true); 2]);
}

#[test]
fn an_unused_pool_is_idle_and_a_used_one_is_nothing() {
    let mut world = World {
        pool_mount: Some("/d/native/pool".into()),
        loop_devices: vec![LoopDevice { path: "/dev/loop0".into(), deleted: false }],
        ..World::default()
    };
    assert_eq!(told(&examine(&world, &Records::default())), [(Severity::Idle, Kind::Mount, true)]);
    world.pool_mount = None;
    assert_eq!(told(&examine(&world, &Records::default())), [(Severity::Leak, Kind::LoopDevice, true)]);
    let starting = World { loop_devices: world.loop_devices, ..up() };
    assert_eq!(examine(&starting, &Records::default()), []);
}

#[test]
fn a_second_or_deleted_loop_device_is_always_a_leak() {
    let device = |n: u32, deleted| LoopDevice { path: format!("/dev/loop{n}").into(), deleted };
    let pool_mount = Some(PathBuf::from("/d/native/pool"));
    let world =
        World { pool_mount, loop_devices: vec![device(0, false), device(1, false), device(2, true)], ..up() };
    let findings = examine(&world, &Records::default());
    let names: Vec<&str> = findings.iter().map(|finding| finding.name.as_str()).collect();
    assert_eq!(names, ["/dev/loop1", "/dev/loop2"]);
}

#[test]
fn images_and_odd_things_are_found() {
    let digest: atoll_types::ImageDigest = "a".repeat(64).parse().unwrap();
    let world = World {
        images: [digest.clone()].into(),
        stray_mounts: vec!["/d/native/mnt/root".into()],
        stray_processes: [process(50)].into(),
        unknown: vec!["run/agents/evil".into()],
        groups: vec![Group { path: "/c/atoll-x/odd".into(), owner: GroupOwner::Unknown }],
        ..up()
    };
    let kinds = [Kind::Process, Kind::Mount, Kind::Cgroup, Kind::Image, Kind::Socket];
    assert_eq!(told(&examine(&world, &Records::default())), kinds.map(|kind| (Severity::Leak, kind, true)));
    let records = Records { images: [digest].into(), ..Records::default() };
    assert!(examine(&world, &records).iter().all(|finding| finding.kind != Kind::Image));
}

#[test]
fn trash_is_the_launchers_while_it_runs() {
    let trash = World {
        trash: vec!["native/pool/trash/x".into()],
        unfinished: vec!["native/pool/images/new".into()],
        groups: vec![Group { path: "/c/atoll-x/trash-y".into(), owner: GroupOwner::Trash }],
        ..World::default()
    };
    let found = told(&examine(&trash, &Records::default()));
    assert_eq!(found, [Kind::Cgroup, Kind::Files, Kind::Files].map(|kind| (Severity::Idle, kind, true)));
    let World { supervisor, parts, .. } = up();
    assert_eq!(examine(&World { supervisor, parts, ..trash }, &Records::default()), []);
}

#[test]
fn a_root_is_stale_when_nothing_alive_may_run_on_it() {
    let id = SandboxId::random();
    let look = |root: Root| {
        let stale_roots = ["host-old".to_owned()].into();
        let sandboxes = [(id.clone(), Traces { root, ..live(3) })].into();
        told(&examine(&World { stale_roots, sandboxes, ..up() }, &known(&id, 3, true)))
    };
    assert_eq!(look(Root::Host("host-new".to_owned())), [(Severity::Leak, Kind::HostRoot, true)]);
    assert_eq!(look(Root::Other), [(Severity::Leak, Kind::HostRoot, true)]);
    assert_eq!(look(Root::Host("host-old".to_owned())), []);
    assert_eq!(look(Root::SomeHost), []);
}

#[test]
fn a_router_is_idle_without_sandboxes_and_its_rules_go_with_it() {
    let router = Some(PathBuf::from("/run/netns/atoll-x"));
    let world = World { router, host_rules: true, ..World::default() };
    let idle = [Kind::NetworkNamespace, Kind::FirewallRules].map(|kind| (Severity::Idle, kind, true));
    assert_eq!(told(&examine(&world, &Records::default())), idle);
    let running = |world: World| World { supervisor: up().supervisor, parts: up().parts, ..world };
    assert_eq!(examine(&running(world.clone()), &Records::default()), []);
    // They guard what Docker runs, whoever else is down.
    assert_eq!(examine(&World { bridges: true, ..world.clone() }, &Records::default()), []);
    assert_eq!(examine(&World { bridges: true, router: None, ..world.clone() }, &Records::default()), []);
    let open = World { host_rules: false, ..world.clone() };
    let leak = |fixable| [(Severity::Leak, Kind::FirewallRules, fixable)];
    assert_eq!(told(&examine(&running(open), &Records::default())), leak(false));
    assert_eq!(told(&examine(&World { router: None, ..world }, &Records::default())), leak(true));
}

/// A container of a recorded sandbox, and one of each kind that nobody owns.
fn in_docker(known: &SandboxId) -> InDocker {
    let thing = |name: &str, sandbox: Option<&SandboxId>| Thing {
        id: format!("id-{name}"),
        name: name.to_owned(),
        sandbox: sandbox.cloned(),
        is_build: false,
    };
    let (lost, net) = (SandboxId::random(), format!("net-{known}"));
    InDocker {
        away: None,
        containers: vec![thing("known", Some(known)), thing("lost", Some(&lost)), thing("odd", None)],
        networks: vec![thing(&net, None), thing("net-lost", Some(&lost))],
        volumes: vec![thing("atoll-x-agent-1", None), thing("data", None)],
        images: vec!["a".repeat(64), "b".repeat(64), "latest".to_owned()],
        built: Vec::new(),
    }
}

#[test]
fn what_docker_holds_without_a_record_is_a_leak() {
    let id = SandboxId::random();
    let world = World { docker: Some(in_docker(&id)), ..up() };
    let images = ["a".repeat(64).parse().unwrap()].into();
    let records = Records { images, ..known(&id, 3, false) };
    let findings = examine(&world, &records);
    let named: Vec<_> = findings.iter().map(|finding| (finding.kind, &*finding.name)).collect();
    let b = "b".repeat(64);
    assert_eq!(
        named,
        [
            (Kind::Container, "lost"),
            (Kind::Container, "odd"),
            (Kind::DockerNetwork, "net-lost"),
            (Kind::DockerVolume, "data"),
            (Kind::DockerImage, &b),
            (Kind::DockerImage, "latest"),
        ]
    );
    assert!(findings.iter().all(|finding| finding.is_leak() && finding.fixable));
}

#[test]
fn what_a_build_has_left_is_a_leak_once_no_broker_runs() {
    let containers = vec![Thing { id: "1".to_owned(), is_build: true, ..Thing::default() }];
    let docker = InDocker { containers, built: vec!["sha256:1".to_owned()], ..InDocker::default() };
    let with = |world: World| examine(&World { docker: Some(docker.clone()), ..world }, &Records::default());
    assert_eq!(with(up()), []);
    let leaks = [(Severity::Leak, Kind::Container, true), (Severity::Leak, Kind::DockerImage, true)];
    assert_eq!(told(&with(World::default())), leaks);
}

#[test]
fn the_agents_volume_is_idle_only_where_nothing_can_use_it() {
    let volumes = vec![Thing { name: "atoll-x-agent-1".to_owned(), ..Thing::default() }];
    let alone = InDocker { volumes, ..InDocker::default() };
    let with = |docker: &InDocker, world: World| World { docker: Some(docker.clone()), ..world };
    assert_eq!(examine(&with(&alone, up()), &Records::default()), []);
    let idle = examine(&with(&alone, World::default()), &Records::default());
    assert_eq!(told(&idle), [(Severity::Idle, Kind::DockerVolume, true)]);
    let id = SandboxId::random();
    let containers = vec![Thing { sandbox: Some(id.clone()), ..Thing::default() }];
    let used = InDocker { containers, ..alone };
    assert_eq!(examine(&with(&used, World::default()), &known(&id, 3, false)), []);
}
