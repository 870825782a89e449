package main

import (
	"encoding/xml"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPictureIsTheRecording: neither the picture nor the README's text shows what no terminal showed.
func TestPictureIsTheRecording(t *testing.T) {
	t.Parallel()
	session := read(t, recording)
	if diff := cmp.Diff(svg(session), read(t, drawing)); diff != "" {
		t.Errorf("run 'make picture': %s", diff)
	}
	page := read(t, readme)
	want, err := placed(page, session)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, page); diff != "" {
		t.Errorf("run 'make picture': %s", diff)
	}
	for _, words := range []string{"kubectl egress enable", "EGR001", "status 200", "kubectl egress cleanup"} {
		if !strings.Contains(session, words) {
			t.Errorf("the recording has no %q", words)
		}
	}
	if !strings.Contains(page, "docs/run.svg") {
		t.Error("the README does not show the picture")
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	got := lines("a\x1b[31m✘\x1b[0m b\n\n\x1b[1mx\x1b[0m\n")
	want := [][]span{{{"a", "", 0}, {"✘", "r", 1}, {" b", "", 2}}, nil, {{"x", "b", 0}}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(span{})); diff != "" {
		t.Error(diff)
	}
}

func TestSVG(t *testing.T) {
	t.Parallel()
	got := svg("a <b> & c\n  \x1b[32m✔\x1b[0m\n")
	if err := xml.Unmarshal([]byte(got), new(struct{})); err != nil {
		t.Errorf("no XML: %v", err)
	}
	for _, want := range []string{
		`<text x="16" y="30" textLength="72">a &lt;b&gt; &amp; c</text>`, `<text x="32" y="48" textLength="8" class="g">✔</text>`, `width="104" height="68"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "http://") && strings.Count(got, "http") != 1 {
		t.Error("the picture asks others for something")
	}
}

func TestPlacedWantsItsPlace(t *testing.T) {
	t.Parallel()
	if _, err := placed("no marks", "x"); err == nil {
		t.Error("a page without a place for the run is taken")
	}
	got, err := placed("a\n<!-- run -->\nold\n<!-- /run -->\nb\n", "\x1b[1mnew\x1b[0m\n")
	if want := "a\n<!-- run -->\n```\nnew\n```\n<!-- /run -->\nb\n"; err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
}
