package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/shell"
)

// Versions that the compiled programs report of themselves. The module versions are pinned by parts/go.mod; a test
// holds that these agree with them.
const (
	kubernetesVersion = "v1.36.3"
	containerdVersion = "v2.3.7"
	// istioVersion: Istio tags its module only by pseudo-versions, so this stands nowhere in go.mod.
	istioVersion = "1.31.0"
)

// partsFiles decide what is compiled.
var partsFiles = [...]string{"go.mod", "go.sum", "coredns/main.go", "pause/main.go"}

// goFlags are the flags of the one `go build` that makes all programs.
//   - -l: without inlining the compiler needs a fifth less time (etcd: 68 s of CPU down to 51 s); the programs run fine.
//   - -X: programs built from modules call themselves "unknown" or "v0.0.0-master", on which people's tools stumble.
//   - tags: containerd's drivers for file systems that would need C libraries.
func goFlags() []string {
	const kube, istio = "k8s.io/component-base/version.", "istio.io/istio/pkg/version."
	minor := strings.Split(kubernetesVersion, ".")
	ld := []string{
		"-s", "-w",
		"-X", kube + "gitVersion=" + kubernetesVersion,
		"-X", kube + "gitMajor=" + strings.TrimPrefix(minor[0], "v"), "-X", kube + "gitMinor=" + minor[1],
		"-X", istio + "buildVersion=" + istioVersion, "-X", istio + "buildTag=" + istioVersion, "-X", istio + "buildStatus=Clean",
		"-X", "github.com/containerd/containerd/v2/version.Version=" + containerdVersion,
	}
	return []string{
		"-gcflags=all=-l", "-ldflags=" + strings.Join(ld, " "),
		"-tags=no_btrfs,no_devmapper,no_zfs,no_aufs", "-buildvcs=false",
	}
}

// FindParts looks for the folder of the module whose programs are compiled: explicit if not empty, else lab/parts or
// parts in the working folder or one above it, else beside this program's own source.
func FindParts(explicit string) (string, error) {
	var tried []string
	if explicit != "" {
		tried = []string{explicit}
	} else {
		wd, err := os.Getwd()
		if err != nil {
			return "", fmt.Errorf("find the module of the lab's parts: %w", err)
		}
		for dir := wd; ; dir = filepath.Dir(dir) {
			tried = append(tried, filepath.Join(dir, "lab", "parts"), filepath.Join(dir, "parts"))
			if dir == filepath.Dir(dir) {
				break
			}
		}
		if _, file, _, ok := runtime.Caller(0); ok {
			tried = append(tried, filepath.Join(filepath.Dir(file), "..", "..", "parts"))
		}
	}
	for _, dir := range tried {
		if isParts(dir) {
			return filepath.Abs(dir)
		}
	}
	if explicit != "" {
		return "", fmt.Errorf("%s does not hold the module of the lab's parts (go.mod, coredns, pause)", explicit)
	}
	return "", errors.New("lab/parts is neither here nor above: run from the project's folder, or name it with --parts")
}

func isParts(dir string) bool {
	for _, f := range partsFiles {
		if _, err := os.Stat(filepath.Join(dir, f)); err != nil {
			return false
		}
	}
	return true
}

// partsKey names what comes out of the compiler: same key, same programs.
func partsKey(dir, goVersion string) (string, error) {
	in := []string{goVersion, runtime.GOARCH}
	in = append(in, goFlags()...)
	for _, f := range partsFiles {
		text, err := os.ReadFile(filepath.Join(dir, f)) //nolint:gosec // a path that the lab made
		if err != nil {
			return "", fmt.Errorf("read the module of the lab's parts: %w", err)
		}
		in = append(in, string(text))
	}
	return Key(in...), nil
}

// Key is a short name for what is made of the inputs. The order counts, and so does where one input ends.
func Key(inputs ...string) string {
	h := sha256.New()
	for _, in := range inputs {
		fmt.Fprintf(h, "%d:%s\n", len(in), in)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// compile builds all programs into dest/bin and copies Istio's chart files beside them. It works in a folder of its own
// and renames that at the end, so that dest is there wholly or not at all.
func compile(ctx context.Context, parts, dest string, say func(string)) error {
	tmp := dest + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return fmt.Errorf("clear %s: %w", tmp, err)
	}
	bin := filepath.Join(tmp, "bin")
	if err := os.MkdirAll(bin, 0o750); err != nil {
		return fmt.Errorf("make %s: %w", bin, err)
	}
	count := 0
	args := append([]string{"go", "build", "-v"}, goFlags()...)
	_, err := shell.Run(ctx, shell.Command{
		// "tool" stands for all tool lines of go.mod.
		Args: append(args, "-o", bin+"/", "tool", "./coredns", "./pause"),
		Dir:  parts,
		// GOGC: the compiler's garbage collector runs less often; a third of the time for a third more memory.
		Env: []string{"CGO_ENABLED=0", "GOGC=400", "GOFLAGS=", "GOWORK=off"},
		Lines: func(line string) {
			if !strings.Contains(line, " ") { // -v names each package on a line of its own
				count++
				say(fmt.Sprintf("%d packages compiled", count))
			}
		},
	})
	if err != nil {
		return err
	}
	if err := nameEtcd(bin); err != nil {
		return err
	}
	if err := istioFiles(ctx, parts, tmp); err != nil {
		return err
	}
	if err := os.RemoveAll(dest); err != nil {
		return fmt.Errorf("clear %s: %w", dest, err)
	}
	if err := os.Rename(tmp, dest); err != nil {
		return fmt.Errorf("put the programs in place: %w", err)
	}
	return nil
}

// nameEtcd: etcd's command lies in a folder "server", below one that names the major version, and go names a program
// after its folder: it comes out as "server" or "v3".
func nameEtcd(bin string) error {
	for _, name := range []string{"server", "v3"} {
		err := os.Rename(filepath.Join(bin, name), filepath.Join(bin, "etcd"))
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("name etcd: %w", err)
		}
	}
	return errors.New("the compiler made no etcd: neither bin/server nor bin/v3 is there")
}

// istioFiles copies what Istio's release would ship beside its programs out of the module they were compiled from.
func istioFiles(ctx context.Context, parts, dest string) error {
	out, err := shell.Run(ctx, shell.Command{Args: []string{"go", "list", "-m", "-f", "{{.Dir}}", "istio.io/istio"}, Dir: parts, Env: []string{"GOWORK=off"}})
	if err != nil {
		return err
	}
	src := strings.TrimSpace(string(out))
	if src == "" {
		return errors.New("the module istio.io/istio is not in the module cache")
	}
	manifests := filepath.Join(dest, "manifests")
	if err := os.CopyFS(manifests, os.DirFS(filepath.Join(src, "manifests"))); err != nil {
		return fmt.Errorf("copy Istio's charts: %w", err)
	}
	bootstrap, err := os.ReadFile(filepath.Join(src, "tools", "packaging", "common", "envoy_bootstrap.json")) //nolint:gosec // a path that the lab made
	if err != nil {
		return fmt.Errorf("copy Istio's bootstrap template: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dest, "envoy_bootstrap.json"), bootstrap, 0o600); err != nil { //nolint:gosec // dest is the build cache
		return fmt.Errorf("copy Istio's bootstrap template: %w", err)
	}
	return nil
}
