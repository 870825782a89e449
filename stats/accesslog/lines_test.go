package accesslog

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what is read of testdata/lines.txt to its golden file")

// TestLines reads every line that Istio's documents print, what real proxies wrote, and each shape there ever was.
func TestLines(t *testing.T) {
	t.Parallel()
	golden := filepath.Join("testdata", "lines.golden")
	var got []byte
	var p Parser
	var l Line
	for line := range bytes.Lines(given(t)) {
		if len(line) <= 1 || line[0] == '#' {
			got = append(got, line...)
			continue
		}
		if p.Parse(line, &l) {
			got = append(l.AppendJSON(got), '\n')
		} else {
			got = append(got, "no access log\n"...)
		}
	}
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("(-want +got, -update writes it)\n%s", diff)
	}
}

func given(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "lines.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}
