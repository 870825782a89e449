package snapshot

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Limits bound what is taken from an archive, which may come from anyone. The zero value takes the defaults.
type Limits struct {
	Entries int   // default 20,000: a bug report has some ten for each proxy
	Bytes   int64 // unpacked, all entries together, default 512 MiB; what is skipped counts as well
	Entry   int64 // unpacked, one entry that is kept, default 256 MiB
}

func (l Limits) withDefaults() Limits {
	if l.Entries <= 0 {
		l.Entries = 20_000
	}
	if l.Bytes <= 0 {
		l.Bytes = maxFile
	}
	if l.Entry <= 0 {
		l.Entry = maxFile / 2
	}
	return l
}

// IsGzip says whether a file begins like one that gzip has packed.
func IsGzip(head []byte) bool { return bytes.HasPrefix(head, []byte{0x1f, 0x8b}) }

// Unpack reads a .tar.gz into memory, by name: those regular files that keep wants. Nothing is ever written anywhere. An archive
// that no tool of good will writes is refused: names that lead out of it, links and devices, the same name twice, more than the
// limits allow, or an end that is missing.
func Unpack(r io.Reader, keep func(name string) bool, l Limits) (map[string][]byte, error) {
	l = l.withDefaults()
	packed, err := gzip.NewReader(r)
	if err != nil {
		return nil, fmt.Errorf("read the archive: %w", err)
	}
	left := &io.LimitedReader{R: packed, N: l.Bytes + 1}
	u := unpacking{Limits: l, keep: keep, left: left, in: tar.NewReader(left), seen: map[string]bool{}, files: map[string][]byte{}}
	for {
		head, err := u.in.Next()
		if errors.Is(err, io.EOF) {
			return u.files, u.rest()
		}
		if err == nil {
			err = u.entry(head)
		} else {
			err = fmt.Errorf("read the archive: %w", err)
		}
		if u.left.N <= 0 {
			return nil, u.tooBig()
		}
		if err != nil {
			return nil, err
		}
	}
}

// unpacking is one archive being read.
type unpacking struct {
	Limits
	keep  func(string) bool
	left  *io.LimitedReader
	in    *tar.Reader
	seen  map[string]bool
	files map[string][]byte
	kept  int64 // bytes of files
}

func (u *unpacking) tooBig() error {
	return fmt.Errorf("it unpacks to more than %d MiB", u.Bytes>>20)
}

// rest reads to the end of the packed data, so that its checksum is compared and a missing end is seen.
func (u *unpacking) rest() error {
	if _, err := io.Copy(io.Discard, u.left); err != nil {
		return fmt.Errorf("read the archive: %w", err)
	}
	if u.left.N <= 0 {
		return u.tooBig()
	}
	if len(u.seen) == 0 {
		return errors.New("the archive is empty")
	}
	return nil
}

// entry takes one file of the archive.
func (u *unpacking) entry(head *tar.Header) error {
	name := strings.TrimPrefix(head.Name, "./")
	switch head.Typeflag {
	case tar.TypeDir:
		name = strings.TrimSuffix(name, "/")
	case tar.TypeReg:
	case tar.TypeXGlobalHeader:
		return nil
	default:
		return fmt.Errorf("entry %q is neither file nor folder (type %q): links and devices are not followed", shown(head.Name), head.Typeflag)
	}
	if name == "" || name == "." {
		return nil
	}
	if !inside(name) {
		return fmt.Errorf("entry %q has a name that leads out of the archive", shown(head.Name))
	}
	if u.seen[name] {
		if head.Typeflag == tar.TypeDir {
			return nil
		}
		return fmt.Errorf("entry %q is there twice", shown(name))
	}
	u.seen[name] = true
	if len(u.seen) > u.Entries {
		return fmt.Errorf("it has more than %d entries", u.Entries)
	}
	if head.Typeflag == tar.TypeDir || !u.keep(name) {
		return nil
	}
	if head.Size > u.Entry {
		return fmt.Errorf("entry %q has more than %d MiB", shown(name), u.Entry>>20)
	}
	if u.kept += head.Size; u.kept > u.Bytes { // a sparse file has more bytes than are in the archive
		return u.tooBig()
	}
	text, err := io.ReadAll(u.in)
	if err != nil {
		return fmt.Errorf("read entry %q: %w", shown(name), err)
	}
	u.files[name] = text
	return nil
}

// inside says whether a name stays in the folder that an archive stands for, on every system.
func inside(name string) bool {
	return path.Clean(name) == name && !path.IsAbs(name) && name != ".." && !strings.HasPrefix(name, "../") && !strings.ContainsAny(name, "\\\x00") &&
		(len(name) <= 1 || name[1] != ':')
}

// shown bounds a name in a message.
func shown(name string) string {
	const most = 120
	if len(name) > most {
		return name[:most] + "…"
	}
	return name
}
