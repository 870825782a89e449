package snapshot

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// noon is when the snapshots of these tests were taken.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// written has lines of so many minutes before noon.
func written(minutes ...int) []LogLine {
	var out []LogLine
	for _, m := range minutes {
		out = append(out, LogLine{Time: noon.Add(-time.Duration(m) * time.Minute)})
	}
	return out
}

// TestNarrow: lines count by the time at which the snapshot was taken, whenever it is looked at.
func TestNarrow(t *testing.T) {
	t.Parallel()
	read := State{Kind: Read}
	for name, tt := range map[string]struct {
		log   Log
		last  time.Duration
		want  []LogLine
		since time.Time
		short int
	}{
		"as much as there is": {Log{State: read, Since: noon.Add(-time.Hour), Lines: written(50, 3)}, time.Hour, written(50, 3), noon.Add(-time.Hour), 0},
		"less":                {Log{State: read, Since: noon.Add(-time.Hour), Lines: written(50, 5, 3)}, 5 * time.Minute, written(5, 3), noon.Add(-5 * time.Minute), 0},
		"more than there is":  {Log{State: read, Since: noon.Add(-time.Hour), Lines: written(50, 3)}, 2 * time.Hour, written(50, 3), noon.Add(-time.Hour), 1},
		"from its beginning":  {Log{State: read, Lines: written(500, 3)}, 10 * time.Hour, written(500, 3), noon.Add(-10 * time.Hour), 0},
		"cut before":          {Log{State: read, Lines: written(5, 3), Cut: true}, time.Hour, written(5, 3), noon.Add(-time.Hour), 1},
		"cut, and enough":     {Log{State: read, Lines: written(70, 3), Cut: true}, time.Hour, written(3), noon.Add(-time.Hour), 0},
		"nothing lately":      {Log{State: read, Since: noon.Add(-time.Hour), Lines: written(50)}, time.Minute, nil, noon.Add(-time.Minute), 0},
		"nobody asked":        {Log{}, time.Hour, nil, time.Time{}, 0},
	} {
		s := &Snapshot{Taken: noon, Proxies: []Proxy{{Log: tt.log}}}
		short := s.Narrow(tt.last)
		got := s.Proxies[0].Log
		if diff := cmp.Diff(tt.want, got.Lines); diff != "" || short != tt.short || !got.Since.Equal(tt.since) {
			t.Errorf("%s: short %d, since %s, lines -want +got\n%s", name, short, got.Since, diff)
		}
	}
}

// TestLogIsSaved: what was logged travels with a capture, and what looks like a secret in it does not.
func TestLogIsSaved(t *testing.T) {
	t.Parallel()
	line := LogLine{Time: noon, Code: 503, Flags: "UF,URX", Failure: "TLS_error", SNI: "a.com", Cluster: "outbound|443||a.com", Asked: "10.0.0.1:443"}
	s := &Snapshot{Taken: noon, States: map[Source]State{}, Proxies: []Proxy{
		{Namespace: "a", Pod: "b", Log: Log{State: State{Kind: Read}, Since: noon.Add(-time.Hour), Lines: []LogLine{line}, Cut: true}},
		{Namespace: "a", Pod: "c"},
	}}
	var b bytes.Buffer
	if err := s.SaveArchive(&b); err != nil {
		t.Fatal(err)
	}
	back, err := Load(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, back); diff != "" {
		t.Errorf("-saved +loaded\n%s", diff)
	}
	if back.Proxies[1].Log.Asked() || !back.Proxies[0].Log.Asked() {
		t.Error("whether a log was asked for is lost")
	}
	s.Proxies[0].Log.Lines[0].Host = "eyJhbGciOiJI.eyJzdWIiOiIx.c2ln"
	b.Reset()
	if err := s.Save(&b); err != nil || strings.Contains(b.String(), "eyJzdWIiOiIx") || !strings.Contains(b.String(), Removed) {
		t.Errorf("%v\n%s", err, b.String())
	}
}
