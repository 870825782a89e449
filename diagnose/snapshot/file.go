package snapshot

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/kubectl-egress/kubectl-egress/egress"
)

// version is that of the saved form. A change that older programs would misread gets a new one.
const version = "kubectl-egress/v1"

// maxFile bounds a saved snapshot, in bytes: a thousand hosts and a hundred proxies take some 200 MB.
const maxFile = 512 << 20

// file is the saved form.
type file struct {
	APIVersion string    `json:"apiVersion"`
	Kind       string    `json:"kind"`
	Snapshot   *Snapshot `json:"snapshot"`
}

const kind = "Snapshot"

// Save writes the snapshot as one JSON document, for people and for diff; SaveArchive is what travels. What looks like a key, a
// token or a password is taken out of it first.
func (s *Snapshot) Save(w io.Writer) error {
	tree, err := s.scrubbed()
	if err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	clean := map[string]any{"apiVersion": version, "kind": kind, "snapshot": tree}
	text, err := pretty(clean)
	if err == nil {
		_, err = w.Write(text)
	}
	if err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	return nil
}

// Load reads what Save or SaveArchive wrote. What comes from elsewhere is refused with a reason.
func Load(r io.Reader) (*Snapshot, error) {
	b := bufio.NewReader(r)
	if head, err := b.Peek(2); err == nil && IsGzip(head) {
		files, err := Unpack(b, func(string) bool { return true }, Limits{})
		switch {
		case err != nil:
			return nil, fmt.Errorf("load capture: %w", err)
		case !IsArchive(files):
			return nil, fmt.Errorf("load capture: the archive has no %s", manifestName)
		}
		return Assemble(files)
	}
	return load(b, maxFile)
}

func load(r io.Reader, most int64) (*Snapshot, error) {
	limited := &io.LimitedReader{R: r, N: most + 1}
	d := json.NewDecoder(limited)
	var f file
	err := d.Decode(&f)
	switch {
	case limited.N <= 0:
		return nil, fmt.Errorf("load snapshot: more than %d MiB", most>>20)
	case err != nil:
		return nil, fmt.Errorf("load snapshot: %w", err)
	case f.Kind != kind:
		return nil, fmt.Errorf("load snapshot: kind is %q, not %s", f.Kind, kind)
	case f.APIVersion != version:
		return nil, fmt.Errorf("load snapshot: its version is %q, this program reads %s", f.APIVersion, version)
	case f.Snapshot == nil:
		return nil, errors.New("load snapshot: it is empty")
	}
	return f.Snapshot.loaded()
}

// loaded makes what came from a file fit to be judged.
func (s *Snapshot) loaded() (*Snapshot, error) {
	if s.States == nil {
		s.States = map[Source]State{}
	}
	var alike Sharer
	for i := range s.Proxies {
		alike.Share(&s.Proxies[i])
	}
	return s, s.checkSets()
}

// checkSets takes the sets through the one door that sets come in by: a file may hold anything.
func (s *Snapshot) checkSets() error {
	for i := range s.Sets {
		set := &s.Sets[i]
		if set.Broken != "" {
			continue
		}
		d := egress.Declaration{
			Name: set.Name, Namespace: set.Namespace, Mode: string(set.Mode), Gateway: set.Gateway.String(), MTLS: string(set.MTLS),
			CommonHost: string(set.CommonHost), Credential: set.Credential, CASecret: set.CASecret, CA: set.CA, ExportTo: set.ExportTo,
			LegacyCerts: set.LegacyCerts,
		}
		for _, h := range set.Hosts {
			d.Domains = append(d.Domains, string(h))
		}
		checked, err := egress.ParseSet(d)
		if err != nil {
			return fmt.Errorf("load snapshot: set %s: %w", set.Set, err)
		}
		set.Set = checked
	}
	return nil
}

// IsSnapshot says whether a JSON text is what Save has written, by what it begins with.
func IsSnapshot(text []byte) bool {
	var head struct {
		Kind string `json:"kind"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return false
	}
	for d.More() { // kind stands before the snapshot
		name, err := d.Token()
		if err != nil || name == "snapshot" {
			return false
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return false
		}
		if name == "kind" {
			return json.Unmarshal(value, &head.Kind) == nil && head.Kind == kind
		}
		if name == "items" || name == "configs" || name == "metadata" {
			return false
		}
	}
	return false
}
