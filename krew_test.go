package house

import (
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// manifest is what krew reads of a plugin manifest.
type manifest struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Version          string     `json:"version"`
		Homepage         string     `json:"homepage"`
		ShortDescription string     `json:"shortDescription"`
		Description      string     `json:"description"`
		Caveats          string     `json:"caveats"`
		Platforms        []platform `json:"platforms"`
	} `json:"spec"`
}

type platform struct {
	URI      string `json:"uri"`
	Sha256   string `json:"sha256"`
	Bin      string `json:"bin"`
	Selector struct {
		MatchLabels map[string]string `json:"matchLabels"`
	} `json:"selector"`
	Files []struct {
		From string `json:"from"`
		To   string `json:"to"`
	} `json:"files"`
}

var (
	krewName    = regexp.MustCompile(`^[\w-]+$`)
	krewVersion = regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$`)
	krewSHA     = regexp.MustCompile(`^[0-9a-f]{64}$`)
	// krewPlatforms are the pairs that krew's own validation knows.
	krewPlatforms = []string{
		"darwin/386", "darwin/amd64", "darwin/arm64", "linux/386", "linux/amd64", "linux/arm", "linux/arm64", "linux/ppc64le",
		"windows/386", "windows/amd64", "windows/arm64",
	}
	krewLicences = []string{"license", "license.txt", "license.md", "licenses", "licenses.txt", "licenses.md", "copying", "copying.txt"}
)

// release fills the template in as krew-release-bot does at a release, with a checksum that is as good as any.
func release(template string) string {
	const tag = "v1.2.3"
	text := strings.ReplaceAll(template, "{{ .TagName }}", tag)
	archive := regexp.MustCompile(`\{\{addURIAndSha "([^"]+)" \.TagName \}\}`)
	return archive.ReplaceAllString(text, "uri: $1\n      sha256: "+strings.Repeat("0a", 32))
}

func readManifest(t *testing.T) manifest {
	t.Helper()
	template, err := os.ReadFile(".krew.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var m manifest
	if err := yaml.UnmarshalStrict([]byte(release(string(template))), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestKrewManifest restates what krew's index demands of a manifest: its validation and its naming guide.
func TestKrewManifest(t *testing.T) {
	t.Parallel()
	for _, fault := range manifestFaults(readManifest(t)) {
		t.Error(fault)
	}
}

// TestKrewRulesBite breaks the manifest one rule at a time: each must be noticed.
func TestKrewRulesBite(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*manifest){
		"api version":  func(m *manifest) { m.APIVersion = "v1" },
		"kind":         func(m *manifest) { m.Kind = "plugin" },
		"generic name": func(m *manifest) { m.Metadata.Name = "egress" },
		"bad name":     func(m *manifest) { m.Metadata.Name = "istio egress" },
		"version":      func(m *manifest) { m.Spec.Version = "1.2.3" },
		"two lines":    func(m *manifest) { m.Spec.ShortDescription = "a\nb" },
		"too long":     func(m *manifest) { m.Spec.ShortDescription = strings.Repeat("a", 51) },
		"wide caveats": func(m *manifest) { m.Spec.Caveats = strings.Repeat("a b", 40) },
		"no platform":  func(m *manifest) { m.Spec.Platforms = nil },
		"unknown":      func(m *manifest) { m.Spec.Platforms[0].Selector.MatchLabels["arch"] = "s390x" },
		"overlap":      func(m *manifest) { m.Spec.Platforms = append(m.Spec.Platforms, m.Spec.Platforms[0]) },
		"other label":  func(m *manifest) { m.Spec.Platforms[0].Selector.MatchLabels["libc"] = "musl" },
		"checksum":     func(m *manifest) { m.Spec.Platforms[0].Sha256 = strings.Repeat("0A", 32) },
		"archive":      func(m *manifest) { m.Spec.Platforms[0].URI += ".xz" },
		"no files":     func(m *manifest) { m.Spec.Platforms[0].Files = nil },
		"no licence":   func(m *manifest) { m.Spec.Platforms[0].Files = m.Spec.Platforms[0].Files[:1] },
		"no bin":       func(m *manifest) { m.Spec.Platforms[0].Bin = "" },
		"no .exe":      func(m *manifest) { last := &m.Spec.Platforms[len(m.Spec.Platforms)-1]; last.Bin = "kubectl-egress" },
	} {
		m := readManifest(t)
		spoil(&m)
		if len(manifestFaults(m)) == 0 {
			t.Errorf("%s: not noticed", name)
		}
	}
}

func manifestFaults(m manifest) (faults []string) {
	say := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	say(m.APIVersion == "krew.googlecontainertools.github.com/v1alpha2", "apiVersion %q", m.APIVersion)
	say(m.Kind == "Plugin", "kind %q", m.Kind)
	say(krewName.MatchString(m.Metadata.Name), "name %q", m.Metadata.Name)
	say(strings.HasPrefix(m.Metadata.Name, "istio-"), "name %q: krew wants generic names prefixed by what they are for", m.Metadata.Name)
	say(krewVersion.MatchString(m.Spec.Version), "version %q is not v and a semantic version", m.Spec.Version)
	short := m.Spec.ShortDescription
	say(short != "" && len(short) <= 50 && !strings.Contains(short, "\n"), "shortDescription %q: one line of at most 50", short)
	for _, text := range []string{m.Spec.Description, m.Spec.Caveats} {
		for line := range strings.Lines(text) {
			say(len(strings.TrimRight(line, "\n")) <= 80, "wide line %q", line)
		}
	}
	say(len(m.Spec.Platforms) > 0, "no platform")
	seen := map[string]bool{}
	for _, p := range m.Spec.Platforms {
		pair := p.Selector.MatchLabels["os"] + "/" + p.Selector.MatchLabels["arch"]
		say(len(p.Selector.MatchLabels) == 2 && slices.Contains(krewPlatforms, pair), "%s: krew knows no such platform", pair)
		say(!seen[pair], "%s is there twice", pair)
		seen[pair] = true
		faults = append(faults, platformFaults(pair, p)...)
	}
	return faults
}

func platformFaults(pair string, p platform) (faults []string) {
	say := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, pair+": "+fmt.Sprintf(format, args...))
		}
	}
	say(krewSHA.MatchString(p.Sha256), "sha256 %q", p.Sha256)
	say(strings.HasPrefix(p.URI, "https://") && (strings.HasSuffix(p.URI, ".tar.gz") || strings.HasSuffix(p.URI, ".zip")), "uri %q", p.URI)
	say(p.Bin != "", "no bin")
	say(!strings.HasPrefix(pair, "windows/") || strings.HasSuffix(p.Bin, ".exe"), "bin %q without .exe", p.Bin)
	var licence, binary bool
	for _, f := range p.Files {
		say(f.From != "" && f.To != "", "files need from and to")
		licence = licence || slices.Contains(krewLicences, strings.ToLower(path.Base(f.From)))
		binary = binary || path.Join(f.To, path.Base(f.From)) == p.Bin
	}
	say(licence, "no licence is unpacked")
	say(binary, "%s is not unpacked", p.Bin)
	return faults
}
