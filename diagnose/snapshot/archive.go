package snapshot

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// The archive holds a snapshot as JSON parts that people can read with tar alone, and before them a manifest that says how long
// each is and what its SHA-256 is: a capture travels by mail and chat, and half of it must not pass for a healthy mesh.
const (
	manifestName = "manifest.json"
	archiveKind  = "Capture"
	objectsField = "objects"
	proxiesField = "proxies"
	partSuffix   = ".json"
)

type manifest struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Parts      []part `json:"parts"` // sorted by name
}

type part struct {
	Name   string `json:"name"`
	Size   int    `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

// SaveArchive writes the snapshot as a .tar.gz, the same bytes for the same snapshot. What looks like a key, a token or a password
// is taken out of it first; see Scrub.
func (s *Snapshot) SaveArchive(w io.Writer) error {
	parts, err := s.parts()
	if err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	m := manifest{APIVersion: version, Kind: archiveKind, Parts: make([]part, 0, len(parts))}
	names := slices.Sorted(maps.Keys(parts))
	for _, name := range names {
		sum := sha256.Sum256(parts[name])
		m.Parts = append(m.Parts, part{Name: name, Size: len(parts[name]), SHA256: hex.EncodeToString(sum[:])})
	}
	head, err := pretty(m)
	if err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	packed := gzip.NewWriter(w)
	out := tar.NewWriter(packed)
	err = entry(out, manifestName, head)
	for _, name := range names {
		if err == nil {
			err = entry(out, name, parts[name])
		}
	}
	if err := errors.Join(err, out.Close(), packed.Close()); err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	return nil
}

func entry(w *tar.Writer, name string, text []byte) error {
	// no time, no owner: they would make two archives of one snapshot differ
	head := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(text)), Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
	if err := w.WriteHeader(head); err != nil {
		return err
	}
	_, err := w.Write(text)
	return err
}

// parts takes the JSON of a snapshot apart: one part for each member, for each kind of objects and for each proxy.
func (s *Snapshot) parts() (map[string][]byte, error) {
	tree, err := s.scrubbed()
	if err != nil {
		return nil, err
	}
	parts := map[string][]byte{}
	put := func(name string, v any) (err error) {
		parts[name+partSuffix], err = pretty(v)
		return err
	}
	for field, value := range tree {
		switch list := value.(type) {
		case map[string]any:
			if field != objectsField {
				err = put(field, value)
				break
			}
			for kind, objects := range list {
				err = errors.Join(err, put(objectsField+"/"+kind, objects))
			}
		case []any:
			if field != proxiesField {
				err = put(field, value)
				break
			}
			for i, p := range list {
				err = errors.Join(err, put(fmt.Sprintf("%s/%04d-%s", proxiesField, i, s.Proxies[i].fileName()), p))
			}
		default:
			err = put(field, value)
		}
		if err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// fileName is for people; the number before it makes it unique and keeps the order.
func (p *Proxy) fileName() string {
	const most = 80
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' {
			return r
		}
		return '_'
	}, p.Namespace+"."+p.Pod)
	return name[:min(len(name), most)]
}

func pretty(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// IsArchive says whether files of an archive are what SaveArchive has written.
func IsArchive(files map[string][]byte) bool { return files[manifestName] != nil }

// Assemble puts a snapshot together from the files of an archive. What the manifest does not name, or names otherwise, is refused.
func Assemble(files map[string][]byte) (*Snapshot, error) {
	if err := checkManifest(files); err != nil {
		return nil, fmt.Errorf("load capture: %w", err)
	}
	fields, objects := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	var proxies []json.RawMessage
	for _, name := range slices.Sorted(maps.Keys(files)) {
		field, isPart := strings.CutSuffix(name, partSuffix)
		folder, rest, inFolder := strings.Cut(field, "/")
		text := files[name]
		switch {
		case name == manifestName:
		case !isPart || !json.Valid(text):
			return nil, fmt.Errorf("load capture: part %s is no JSON", shown(name))
		case !inFolder:
			fields[field] = text
		case folder == objectsField:
			objects[rest] = text
		case folder == proxiesField:
			proxies = append(proxies, text)
		default:
			return nil, fmt.Errorf("load capture: part %s is not known; a newer version wrote it", shown(name))
		}
	}
	for field, value := range map[string]any{objectsField: objects, proxiesField: proxies} {
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("load capture: %w", err)
		}
		fields[field] = raw
	}
	whole, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("load capture: %w", err)
	}
	var s Snapshot
	if err := json.Unmarshal(whole, &s); err != nil {
		return nil, fmt.Errorf("load capture: %w", err)
	}
	return s.loaded()
}

// checkManifest compares the parts with what the manifest says of them.
func checkManifest(files map[string][]byte) error {
	var m manifest
	if err := json.Unmarshal(files[manifestName], &m); err != nil {
		return fmt.Errorf("%s: %w", manifestName, err)
	}
	switch {
	case m.Kind != archiveKind:
		return fmt.Errorf("kind is %q, not %s", shown(m.Kind), archiveKind)
	case m.APIVersion != version:
		return fmt.Errorf("its version is %q, this program reads %s", shown(m.APIVersion), version)
	case len(m.Parts)+1 != len(files):
		return fmt.Errorf("%s names %d parts, and there are %d", manifestName, len(m.Parts), len(files)-1)
	}
	for _, p := range m.Parts {
		text, ok := files[p.Name]
		sum := sha256.Sum256(text)
		switch {
		case !ok || p.Name == manifestName:
			return fmt.Errorf("part %s is missing", shown(p.Name))
		case len(text) != p.Size:
			return fmt.Errorf("part %s has %d bytes and not the %d that %s says", shown(p.Name), len(text), p.Size, manifestName)
		case hex.EncodeToString(sum[:]) != p.SHA256:
			return fmt.Errorf("part %s is not what was captured: its SHA-256 differs", shown(p.Name))
		}
	}
	return nil
}

// IsPart says whether an entry's name is one of a capture's; the manifest comes before all others.
func IsPart(name string) bool { return name == manifestName }
