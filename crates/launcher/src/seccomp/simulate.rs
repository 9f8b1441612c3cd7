//! Runs a filter as the kernel does, for tests.

/// A system call as a filter sees it.
pub(super) struct Call {
    pub(super) number: u32,
    pub(super) architecture: u32,
    pub(super) arguments: [u64; 3],
}

impl Call {
    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number,
            4 => self.architecture,
            16.. => {
                let argument = self.arguments[((offset - 16) / 8) as usize];
                u32::try_from(if offset.is_multiple_of(8) { argument & 0xFFFF_FFFF } else { argument >> 32 })
                    .unwrap()
            }
            _ => panic!("a filter loads from {offset}"),
        }
    }
}

/// What the filter answers.
pub(super) fn run(filter: &[libc::sock_filter], call: &Call) -> u32 {
    let (mut at, mut accumulator) = (0_usize, 0_u32);
    loop {
        let instruction = filter[at];
        at += 1;
        let holds = match instruction.code {
            0x20 => {
                accumulator = call.word(instruction.k);
                continue;
            }
            0x54 => {
                accumulator &= instruction.k;
                continue;
            }
            0x05 => {
                at += instruction.k as usize;
                continue;
            }
            0x06 => return instruction.k,
            0x15 => accumulator == instruction.k,
            0x35 => accumulator >= instruction.k,
            0x45 => accumulator & instruction.k != 0,
            code => panic!("unknown instruction {code:#x}"),
        };
        at += usize::from(if holds { instruction.jt } else { instruction.jf });
    }
}
