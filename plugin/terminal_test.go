package plugin

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

func TestLookAtPipes(t *testing.T) {
	t.Parallel()
	streams := genericiooptions.IOStreams{In: strings.NewReader(""), Out: &bytes.Buffer{}, ErrOut: &bytes.Buffer{}}
	env := map[string]string{"LANG": "en_US.UTF-8", "TERM": "xterm"}
	got := lookAt(streams, func(k string) string { return env[k] })
	want := terminal{unicode: true}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(terminal{})); diff != "" {
		t.Error(diff)
	}
	env["TERM"] = "dumb"
	if lookAt(streams, func(k string) string { return env[k] }).unicode {
		t.Error("a dumb terminal is taken to show arrows")
	}
}

func TestReadsUTF8(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Log("on Windows the terminal decides where no locale does")
	}
	for _, tt := range []struct {
		env  map[string]string
		want bool
	}{
		{map[string]string{}, false},
		{map[string]string{"LANG": "C"}, false},
		{map[string]string{"LANG": "en_US.UTF-8"}, true},
		{map[string]string{"LANG": "de_DE.utf8"}, true},
		{map[string]string{"LC_ALL": "C", "LANG": "en_US.UTF-8"}, false},
		{map[string]string{"LC_CTYPE": "C.UTF-8", "LANG": "C"}, true},
	} {
		if got := readsUTF8(func(k string) string { return tt.env[k] }); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.env, got, tt.want)
		}
	}
}

func TestPaints(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		able bool
		flag string
		want bool
	}{{true, "auto", true}, {false, "auto", false}, {false, "always", true}, {true, "never", false}} {
		if got := (terminal{colour: tt.able}).paints(tt.flag); got != tt.want {
			t.Errorf("--color=%s on a terminal with colour %v: %v", tt.flag, tt.able, got)
		}
	}
}
