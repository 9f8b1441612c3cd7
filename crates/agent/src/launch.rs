//! What a waiting child is told: whom to become and what to run, as one block of bytes through a channel.
//!
//! Both ends are this program, so there is no version. The layout suits a reader that may not allocate: a header of
//! fixed size, then the supplementary groups, then strings that each end with NUL, in the order program, PATH, cwd,
//! terminal where the flags say so, arguments, environment. [`Launch::encode`] writes it; the child's half is in `sys::child`.

/// Number of words in the header.
pub(crate) const HEADER_WORDS: usize = 7;
/// Size of the header, in bytes.
pub(crate) const HEADER_BYTES: usize = HEADER_WORDS * 4;
/// Largest body, in bytes: what a request may carry, and the strings taken from the user's entry.
pub(crate) const BODY_BYTES_MAX: u32 = 4 << 20;
/// Most supplementary groups: more than any image has, and they fit a stack.
pub(crate) const GROUPS_MAX: usize = 64;
/// Flag: where the working directory cannot be entered, go on in `/`.
pub(crate) const FLAG_CWD_OPTIONAL: u32 = 1;
/// Flag: the channel of the request stays open for the program, as descriptor 3.
pub(crate) const FLAG_KEEP_CHANNEL: u32 = 4;
/// Flag: it runs nothing, but makes siblings, each on a message with the descriptors of its channels. Nothing else is in the header.
pub(crate) const FLAG_BREED: u32 = 8;
/// Flag: a terminal takes the place of the three pipes.
pub(crate) const FLAG_TERMINAL: u32 = 2;

/// The header, as words in the machine's own order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) body_bytes: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: u32,
    pub(crate) args: u32,
    pub(crate) envs: u32,
    pub(crate) flags: u32,
}

impl Header {
    const fn words(self) -> [u32; HEADER_WORDS] {
        [self.body_bytes, self.uid, self.gid, self.groups, self.args, self.envs, self.flags]
    }

    pub(crate) const fn from_words(words: [u32; HEADER_WORDS]) -> Self {
        let [body_bytes, uid, gid, groups, args, envs, flags] = words;
        Self { body_bytes, uid, gid, groups, args, envs, flags }
    }
}

/// What turns a waiting child into one that makes siblings.
pub(crate) fn breed() -> [u8; HEADER_BYTES] {
    let header = Header { body_bytes: 0, uid: 0, gid: 0, groups: 0, args: 0, envs: 0, flags: FLAG_BREED };
    let mut bytes = [0; HEADER_BYTES];
    for (place, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(header.words()) {
        *place = word.to_ne_bytes();
    }
    bytes
}

/// A command, resolved as far as the agent can.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) groups: &'a [u32],
    /// Directories for a program without a slash, separated by colons.
    pub(crate) path: &'a str,
    pub(crate) cwd: &'a str,
    /// Whether `/` will do where `cwd` cannot be entered.
    pub(crate) cwd_optional: bool,
    /// Path of the terminal that it controls, instead of the pipes.
    pub(crate) terminal: Option<&'a str>,
    /// Whether the program keeps the channel that this comes through: one of this program only.
    pub(crate) keep_channel: bool,
    /// What is executed; a name without a slash is searched for.
    pub(crate) program: &'a str,
    /// Not empty.
    pub(crate) argv: &'a [String],
    pub(crate) env: &'a [String],
}

impl Launch<'_> {
    const fn flags(&self) -> u32 {
        let cwd = if self.cwd_optional { FLAG_CWD_OPTIONAL } else { 0 };
        let channel = if self.keep_channel { FLAG_KEEP_CHANNEL } else { 0 };
        cwd | channel | if self.terminal.is_some() { FLAG_TERMINAL } else { 0 }
    }

    /// The bytes for the child; nothing when they would be too many, or a string has a NUL.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        if self.argv.is_empty() {
            return None;
        }
        let strings = || {
            [self.program, self.path, self.cwd]
                .into_iter()
                .chain(self.terminal)
                .chain(self.argv.iter().map(String::as_str))
                .chain(self.env.iter().map(String::as_str))
        };
        let body: usize = strings().map(|s| s.len() + 1).sum::<usize>() + self.groups.len() * 4;
        let body_bytes = u32::try_from(body).ok().filter(|b| *b <= BODY_BYTES_MAX)?;
        let header = Header {
            body_bytes,
            uid: self.uid,
            gid: self.gid,
            groups: u32::try_from(self.groups.len()).ok().filter(|_| self.groups.len() <= GROUPS_MAX)?,
            args: u32::try_from(self.argv.len()).ok()?,
            envs: u32::try_from(self.env.len()).ok()?,
            flags: self.flags(),
        };
        let mut bytes = Vec::with_capacity(HEADER_BYTES + body);
        header
            .words()
            .iter()
            .chain(self.groups)
            .for_each(|word| bytes.extend_from_slice(&word.to_ne_bytes()));
        for string in strings() {
            if string.contains('\0') {
                return None;
            }
            bytes.extend_from_slice(string.as_bytes());
            bytes.push(0);
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch<'a>(argv: &'a [String], env: &'a [String]) -> Launch<'a> {
        let (groups, terminal, program) = (&[3, 4], None, argv.first().map_or("", String::as_str));
        Launch {
            uid: 1,
            gid: 2,
            groups,
            path: "/bin",
            cwd: "/",
            cwd_optional: true,
            terminal,
            keep_channel: false,
            program,
            argv,
            env,
        }
    }

    #[test]
    fn the_header_tells_the_size_of_the_rest() {
        let bytes = launch(&["true".into()], &["A=b".into()]).encode().unwrap();
        let mut words = [0_u32; HEADER_WORDS];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(4)) {
            *word = u32::from_ne_bytes(chunk.try_into().unwrap());
        }
        let header = Header::from_words(words);
        assert_eq!(usize::try_from(header.body_bytes).unwrap(), bytes.len() - HEADER_BYTES);
        assert_eq!((header.uid, header.gid, header.groups, header.args, header.envs), (1, 2, 2, 1, 1));
        assert!(bytes.ends_with(b"true\0/bin\0/\0true\0A=b\0"));
    }

    #[test]
    fn a_nul_or_nothing_at_all_cannot_be_run() {
        assert!(launch(&["a\0b".into()], &[]).encode().is_none());
        assert!(launch(&[], &[]).encode().is_none());
    }
}
