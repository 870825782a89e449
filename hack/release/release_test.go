package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func theConfig(t *testing.T) config {
	t.Helper()
	c, err := readConfig("../../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// makeVariable is the value of a variable of the Makefile, with the package's name put in.
func makeVariable(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^(?:export )?` + name + ` *[:?]?= *(.*)$`).FindSubmatch(text)
	if m == nil {
		t.Fatalf("the Makefile has no %s", name)
	}
	return strings.ReplaceAll(string(m[1]), "$(PACKAGE)", "github.com/kubectl-egress/kubectl-egress")
}

// TestFlagsAreTheMakefiles: what is released is built as `make build` builds it, for the platforms that `make platforms` knows.
func TestFlagsAreTheMakefiles(t *testing.T) {
	t.Parallel()
	c := theConfig(t)
	want := append([]string{"build", "-trimpath", makeVariable(t, "GOFLAGS")}, strings.Fields(makeVariable(t, "GCFLAGS"))...)
	ldflags := strings.ReplaceAll(makeVariable(t, "LDFLAGS"), "$(VERSION)", "v1.2.3")
	want = append(want, "-ldflags="+ldflags, "-o", "x", "./cmd/kubectl-egress")
	if diff := cmp.Diff(want, c.arguments("1.2.3", "x")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"CGO_ENABLED=0"}, c.Builds[0].Env); diff != "" {
		t.Error(diff)
	}
	var names []string
	for _, p := range c.platforms() {
		names = append(names, p.String())
	}
	if diff := cmp.Diff(strings.Fields(makeVariable(t, "PLATFORMS")), names); diff != "" {
		t.Error(diff)
	}
}

// TestSupplyChain: every archive has its parts list, the checksums are signed, and all files have the commit's time.
func TestSupplyChain(t *testing.T) {
	t.Parallel()
	c := theConfig(t)
	if len(c.SBOMs) != 1 || c.SBOMs[0].Artifacts != "archive" {
		t.Errorf("parts lists: %+v", c.SBOMs)
	}
	if len(c.Signs) != 1 || c.Signs[0].Cmd != "cosign" || c.Signs[0].Artifacts != "checksum" || !slices.Contains(c.Signs[0].Args, "--bundle=${signature}") {
		t.Errorf("signatures: %+v", c.Signs)
	}
	if c.Builds[0].ModTimestamp != "{{ .CommitTimestamp }}" || c.Archives[0].BuildsInfo.MTime != "{{ .CommitDate }}" || c.Archives[0].Files[0].Info.MTime != "{{ .CommitDate }}" {
		t.Error("a file's time is not the commit's")
	}
}

func TestUnknownKeysAreRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a key":      "version: 2\nhooks: []\n",
		"two builds": "builds: [{id: a}, {id: b}]\narchives: [{}]\n",
	} {
		file := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readConfig(file); err == nil {
			t.Errorf("%s is not refused", name)
		}
	}
}

func TestKrewTemplateIsRendered(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../.krew.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(theConfig(t).krewTemplate(), string(text)); diff != "" {
		t.Errorf("run 'make krew': %s", diff)
	}
}

func TestKrewManifest(t *testing.T) {
	t.Parallel()
	c := theConfig(t)
	sums := map[platform]string{{"windows", "arm64"}: strings.Repeat("ab", 32)}
	got := c.krewManifest("v1.2.3", "", []platform{{"windows", "arm64"}}, sums)
	for _, want := range []string{
		"  name: istio-egress\n", "  version: v1.2.3\n", "matchLabels: {os: windows, arch: arm64}\n",
		"      uri: https://github.com/kubectl-egress/kubectl-egress/releases/download/v1.2.3/kubectl-egress-windows-arm64.zip\n      sha256: abab",
		"      bin: kubectl-egress.exe\n", "{from: kubectl-egress.exe, to: .}",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if elsewhere := c.krewManifest("v1.2.3", "http://127.0.0.1:1/x", []platform{{"windows", "arm64"}}, sums); !strings.Contains(elsewhere, "uri: http://127.0.0.1:1/x/kubectl-egress-windows-arm64.zip\n") {
		t.Errorf("the address of the archives is not taken:\n%s", elsewhere)
	}
}

// TestManifestOfBuiltArchives reads a list of checksums as goreleaser and sha256sum write it.
func TestManifestOfBuiltArchives(t *testing.T) {
	t.Parallel()
	c, dir := theConfig(t), t.TempDir()
	var sums strings.Builder
	for i, p := range c.platforms() {
		fmt.Fprintf(&sums, "%s  %s\n", strings.Repeat(strconv.Itoa(i), 64), c.archive(p))
	}
	sums.WriteString(strings.Repeat("f", 64) + "  kubectl-egress-linux-amd64.tar.gz.spdx.json\n")
	list := filepath.Join(dir, "checksums.txt")
	if err := write(list, sums.String()); err != nil {
		t.Fatal(err)
	}
	if err := manifest(c, "v1.2.3", list, dir, ""); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "istio-egress.yaml")) //nolint:gosec // of this test
	if err != nil || strings.Count(string(text), "sha256: ") != 6 || !strings.Contains(string(text), "windows-arm64.zip\n      sha256: 5555") {
		t.Errorf("%v\n%s", err, text)
	}
	if err := write(list, strings.Repeat("f", 64)+"  kubectl-egress-linux-amd64.tar.gz\n"); err != nil {
		t.Fatal(err)
	}
	if err := manifest(c, "v1.2.3", list, dir, ""); err == nil || !strings.Contains(err.Error(), "has no checksum of kubectl-egress-linux-arm64.tar.gz") {
		t.Errorf("a platform is missing: %v", err)
	}
}

func TestChosen(t *testing.T) {
	t.Parallel()
	c := theConfig(t)
	if got, err := c.chosen("linux/arm64,windows/amd64"); err != nil || cmp.Diff([]platform{{"linux", "arm64"}, {"windows", "amd64"}}, got, cmp.AllowUnexported(platform{})) != "" {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := c.chosen(""); err != nil || len(got) != 6 {
		t.Errorf("all: %v, %v", got, err)
	}
	if _, err := c.chosen("linux/s390x"); err == nil {
		t.Error("a platform that is not released is taken")
	}
}

// TestArchives reads what was packed, and packs it again elsewhere: the bytes are the same.
func TestArchives(t *testing.T) {
	t.Parallel()
	when := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	for _, name := range []string{"x.tar.gz", "x.zip"} {
		var sums []string
		for range 2 {
			dir := t.TempDir()
			program := filepath.Join(dir, "program")
			if err := os.WriteFile(program, []byte("machine code"), 0o600); err != nil {
				t.Fatal(err)
			}
			sum, err := pack(filepath.Join(dir, name), when, file{"kubectl-egress", program, 0o755}, file{"LICENSE", "../../LICENSE", 0o644})
			if err != nil {
				t.Fatal(err)
			}
			sums = append(sums, sum)
			got := contents(t, filepath.Join(dir, name))
			if got["kubectl-egress 0755 "+when.Format(time.RFC3339)] != "machine code" || !strings.Contains(got["LICENSE 0644 "+when.Format(time.RFC3339)], "Apache License") {
				t.Errorf("%s has %d files: %v", name, len(got), slices.Sorted(maps.Keys(got)))
			}
		}
		if sums[0] != sums[1] {
			t.Errorf("%s: %s once, %s then", name, sums[0], sums[1])
		}
	}
	if _, err := pack(filepath.Join(t.TempDir(), "x.zip"), when, file{"a", "absent", 0o644}); err == nil {
		t.Error("a file that is not there is packed")
	}
}

// contents gives what an archive has: name, mode and time, and the text.
func contents(t *testing.T, archive string) map[string]string {
	t.Helper()
	all := map[string]string{}
	add := func(name string, mode os.FileMode, when time.Time, r io.Reader) {
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all[name+" 0"+strconv.FormatUint(uint64(mode.Perm()), 8)+" "+when.UTC().Format(time.RFC3339)] = string(text)
	}
	if strings.HasSuffix(archive, ".zip") {
		z, err := zip.OpenReader(archive)
		if err != nil {
			t.Fatal(err)
		}
		defer z.Close()
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			add(f.Name, f.Mode(), f.Modified, r)
		}
		return all
	}
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	gz, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(gz); ; {
		h, err := r.Next()
		if err == io.EOF { //nolint:errorlint // tar gives it as it is
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		add(h.Name, h.FileInfo().Mode(), h.ModTime, r)
	}
}
