//! Assembles a filter: a balanced tree of comparisons over ranges of numbers, some twenty instructions on any path.
//!
//! The kernel runs the whole filter for every call number when it is installed, to remember which are always allowed;
//! a list of three hundred comparisons would cost each start a third of a millisecond, the tree a hundredth.

use super::allow::is_known;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_EQUAL: u16 = 0x15;
const JUMP_AT_LEAST: u16 = 0x35;
const JUMP_ANY_BIT: u16 = 0x45;
const AND: u16 = 0x54;
const RETURN: u16 = 0x06;

const KILL: u32 = 0x8000_0000;
const ALLOW: u32 = 0x7FFF_0000;
const ERRNO: u32 = 0x0005_0000;

const ARCHITECTURE_X86_64: u32 = 0xC000_003E;

/// Where `struct seccomp_data` holds what.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const fn argument_low(index: u32) -> u32 {
    16 + 8 * index
}

/// Every new namespace, and CLONE_NEWTIME's bit, which is part of the exit signal in clone.
const NAMESPACE_FLAGS: u32 = 0x7E02_0000;

#[cfg(not(target_arch = "x86_64"))]
compile_error!("the filter's numbers are those of x86-64");

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allow,
    Refuse,
    Missing,
    /// Depends on its arguments.
    Special(i64),
}

fn instruction(code: u16, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt: 0, jf: 0, k }
}

/// A comparison that goes on when it holds and skips `otherwise` instructions when not.
fn branch(code: u16, k: u32, then: u8, otherwise: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt: then, jf: otherwise, k }
}

fn errno(number: i32) -> libc::sock_filter {
    instruction(RETURN, ERRNO | number.cast_unsigned())
}

/// Assembles the filter that allows exactly these calls; with `special`, some only with certain arguments.
pub(super) fn assemble(allowed: &[i64], special: bool) -> Vec<libc::sock_filter> {
    let mut filter = vec![
        // 32-bit calls and other architectures have other numbers: whoever makes them wants to get around this.
        instruction(LOAD, ARCHITECTURE),
        branch(JUMP_EQUAL, ARCHITECTURE_X86_64, 1, 0),
        instruction(RETURN, KILL),
        // x32 calls have bit 30 set and are beyond every number in the tree: they are missing.
        instruction(LOAD, NUMBER),
    ];
    filter.extend(tree(&ranges(allowed, special)));
    filter
}

/// Cuts all numbers into ranges of one verdict each: their first numbers, ascending from 0.
fn ranges(allowed: &[i64], special: bool) -> Vec<(u32, Verdict)> {
    let verdict = |number: i64| match number {
        libc::SYS_clone3
        | libc::SYS_io_setup
        | libc::SYS_clone
        | libc::SYS_socket
        | libc::SYS_personality
        | libc::SYS_ioctl
            if special =>
        {
            Verdict::Special(number)
        }
        _ if allowed.contains(&number) => Verdict::Allow,
        _ if is_known(number) => Verdict::Refuse,
        _ => Verdict::Missing,
    };
    let mut ranges: Vec<(u32, Verdict)> = Vec::new();
    for number in 0..=super::allow::LAST_KNOWN + 1 {
        let verdict = verdict(number);
        if ranges.last().is_none_or(|(_, last)| *last != verdict) {
            ranges.push((u32::try_from(number).unwrap_or(u32::MAX), verdict));
        }
    }
    ranges
}

/// The tree over some ranges. Both halves end in a return, so a jump over the left half is all that is needed.
fn tree(ranges: &[(u32, Verdict)]) -> Vec<libc::sock_filter> {
    if let [(_, verdict)] = ranges {
        return leaf(*verdict);
    }
    let (left, right) = ranges.split_at(ranges.len() / 2);
    let (left_code, right_code) = (tree(left), tree(right));
    let mut code = jump_if_at_least(right[0].0, left_code.len());
    code.extend(left_code);
    code.extend(right_code);
    code
}

/// Skips `distance` instructions when the number is at least `k`. Short jumps hold 255; longer ones take a detour.
fn jump_if_at_least(k: u32, distance: usize) -> Vec<libc::sock_filter> {
    const JUMP_ALWAYS: u16 = 0x05;
    match u8::try_from(distance) {
        Ok(short) => vec![branch(JUMP_AT_LEAST, k, short, 0)],
        Err(_) => vec![
            branch(JUMP_AT_LEAST, k, 0, 1),
            instruction(JUMP_ALWAYS, u32::try_from(distance).unwrap_or(u32::MAX)),
        ],
    }
}

fn leaf(verdict: Verdict) -> Vec<libc::sock_filter> {
    match verdict {
        Verdict::Allow => vec![instruction(RETURN, ALLOW)],
        Verdict::Refuse => vec![errno(libc::EPERM)],
        Verdict::Missing => vec![errno(libc::ENOSYS)],
        Verdict::Special(libc::SYS_clone) => vec![
            instruction(LOAD, argument_low(0)),
            branch(JUMP_ANY_BIT, NAMESPACE_FLAGS, 0, 1),
            errno(libc::EPERM),
            instruction(RETURN, ALLOW),
        ],
        Verdict::Special(libc::SYS_socket) => socket(),
        Verdict::Special(libc::SYS_personality) => {
            let mut code = vec![instruction(LOAD, argument_low(0))];
            // Linux, with and without a fixed address space, and the question which it is.
            for allowed in [0, 0x0004_0000, 0xFFFF_FFFF] {
                code.extend([branch(JUMP_EQUAL, allowed, 0, 1), instruction(RETURN, ALLOW)]);
            }
            code.push(errno(libc::EPERM));
            code
        }
        Verdict::Special(libc::SYS_ioctl) => {
            let mut code = vec![instruction(LOAD, argument_low(1))];
            // Both put characters into a terminal's input, as if its user had typed them.
            for refused in [0x5412 /* TIOCSTI */, 0x541C /* TIOCLINUX */] {
                code.extend([branch(JUMP_EQUAL, refused, 0, 1), errno(libc::EPERM)]);
            }
            code.push(instruction(RETURN, ALLOW));
            code
        }
        // clone3: its flags are in memory, where no filter sees them. Programs fall back to clone. io_setup: one sandbox could
        // take every slot of the host's. Databases ask, and read and write without it.
        Verdict::Special(_) => vec![errno(libc::ENOSYS)],
    }
}

/// Sockets: local ones, TCP and UDP, and the routing table's. No raw packets, no host-wide families such as the
/// hypervisor's or the kernel's cryptography.
fn socket() -> Vec<libc::sock_filter> {
    const AF_UNIX: u32 = 1;
    const AF_INET: u32 = 2;
    const AF_INET6: u32 = 10;
    const AF_NETLINK: u32 = 16;
    const NETLINK_ROUTE: u32 = 0;
    const TYPE_MASK: u32 = 0xF;
    const SOCK_RAW: u32 = 3;
    vec![
        instruction(LOAD, argument_low(0)),
        branch(JUMP_EQUAL, AF_UNIX, 3, 0),
        branch(JUMP_EQUAL, AF_INET, 3, 0),
        branch(JUMP_EQUAL, AF_INET6, 2, 0),
        branch(JUMP_EQUAL, AF_NETLINK, 5, 9),
        instruction(RETURN, ALLOW),
        instruction(LOAD, argument_low(1)),
        instruction(AND, TYPE_MASK),
        branch(JUMP_EQUAL, SOCK_RAW, 4, 0),
        instruction(RETURN, ALLOW),
        instruction(LOAD, argument_low(2)),
        branch(JUMP_EQUAL, NETLINK_ROUTE, 0, 1),
        instruction(RETURN, ALLOW),
        errno(libc::EPERM),
        errno(libc::EAFNOSUPPORT),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::allow;
    use super::super::simulate::{Call, run};
    use super::*;

    fn sandbox(number: i64, arguments: [u64; 3]) -> u32 {
        let call =
            Call { number: u32::try_from(number).unwrap(), architecture: ARCHITECTURE_X86_64, arguments };
        run(&assemble(&allow::sandbox(), true), &call)
    }

    #[test]
    fn the_tree_says_what_the_list_says() {
        let list = allow::sandbox();
        let special = [
            libc::SYS_clone3,
            libc::SYS_io_setup,
            libc::SYS_clone,
            libc::SYS_socket,
            libc::SYS_personality,
            libc::SYS_ioctl,
        ];
        for number in (0..2_000).filter(|number| !special.contains(number)) {
            let expected = match number {
                _ if list.contains(&number) => ALLOW,
                _ if is_known(number) => ERRNO | 1,
                _ => ERRNO | 38,
            };
            assert_eq!(sandbox(number, [0; 3]), expected, "call {number}");
        }
    }

    #[test]
    fn foreign_architectures_die_and_x32_is_missing() {
        let filter = assemble(&allow::sandbox(), true);
        let call = Call { number: 1, architecture: 0x4000_0003, arguments: [0; 3] };
        assert_eq!(run(&filter, &call), KILL);
        assert_eq!(sandbox(0x4000_0000, [0; 3]), ERRNO | 38);
    }

    #[test]
    fn threads_are_allowed_and_namespaces_are_not() {
        assert_eq!(sandbox(libc::SYS_clone, [0x003D_0F00, 0, 0]), ALLOW);
        for flag in
            [0x1000_0000, 0x0002_0000, 0x4000_0000, 0x2000_0000, 0x0800_0000, 0x0400_0000, 0x0200_0000]
        {
            assert_eq!(sandbox(libc::SYS_clone, [flag | 17, 0, 0]), ERRNO | 1, "{flag:#x}");
        }
        assert_eq!(sandbox(libc::SYS_clone3, [0; 3]), ERRNO | 38);
    }

    #[test]
    fn asynchronous_io_is_missing_as_on_a_kernel_without_it() {
        assert_eq!(sandbox(libc::SYS_io_setup, [1, 0, 0]), ERRNO | 38);
        assert_eq!(sandbox(libc::SYS_io_submit, [0; 3]), ERRNO | 1);
    }

    #[test]
    fn only_plain_sockets() {
        for (domain, kind, protocol) in
            [(1, 1, 0), (1, 5, 0), (2, 1, 6), (2, 0x8_0802, 0), (10, 2, 0), (16, 3, 0)]
        {
            assert_eq!(
                sandbox(libc::SYS_socket, [domain, kind, protocol]),
                ALLOW,
                "{domain} {kind} {protocol}"
            );
        }
        for (domain, kind, protocol) in [(2, 3, 1), (10, 0x8_0003, 58), (16, 3, 9)] {
            assert_eq!(
                sandbox(libc::SYS_socket, [domain, kind, protocol]),
                ERRNO | 1,
                "{domain} {kind} {protocol}"
            );
        }
        for domain in [17, 38, 40, 15, 31, 44] {
            assert_eq!(sandbox(libc::SYS_socket, [domain, 1, 0]), ERRNO | 97, "{domain}");
        }
    }

    #[test]
    fn what_is_forbidden_is_forbidden() {
        let forbidden = [
            libc::SYS_mount,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_keyctl,
            libc::SYS_bpf,
            libc::SYS_io_uring_setup,
            libc::SYS_userfaultfd,
            libc::SYS_open_by_handle_at,
            libc::SYS_kexec_load,
            libc::SYS_init_module,
        ];
        for number in forbidden {
            assert_eq!(sandbox(number, [0; 3]), ERRNO | 1, "{number}");
        }
        for number in
            [libc::SYS_ptrace, libc::SYS_execve, libc::SYS_futex, libc::SYS_openat2, libc::SYS_close_range]
        {
            assert_eq!(sandbox(number, [0; 3]), ALLOW, "{number}");
        }
        assert_eq!(sandbox(libc::SYS_personality, [0xFFFF_FFFF, 0, 0]), ALLOW);
        assert_eq!(sandbox(libc::SYS_personality, [8, 0, 0]), ERRNO | 1);
        assert_eq!(sandbox(libc::SYS_ioctl, [0, 0x5412, 0]), ERRNO | 1);
        assert_eq!(sandbox(libc::SYS_ioctl, [0, 0x5413, 0]), ALLOW);
    }

    #[test]
    fn the_unpacker_has_no_sockets_and_starts_nothing() {
        let filter = assemble(&allow::unpack(), false);
        for number in [libc::SYS_socket, libc::SYS_clone, libc::SYS_fork, libc::SYS_ptrace, libc::SYS_ioctl] {
            let call = Call {
                number: u32::try_from(number).unwrap(),
                architecture: ARCHITECTURE_X86_64,
                arguments: [0; 3],
            };
            assert_eq!(run(&filter, &call), ERRNO | 1, "{number}");
        }
    }
}
