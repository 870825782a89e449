// Command release builds what .goreleaser.yaml describes without goreleaser: the archives of all platforms, their checksums, and krew's
// manifest with them. With -checksums it writes that manifest alone, for archives that goreleaser built; with -krew it writes .krew.yaml,
// the manifest's template, anew.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	template := flag.Bool("krew", false, "only write .krew.yaml anew")
	version := flag.String("version", "v0.0.0", "version, with its v")
	out := flag.String("out", "dist", "folder for what is built")
	only := flag.String("platforms", "", "only these, separated by commas: linux/amd64")
	base := flag.String("url", "", "where the archives will lie, for krew's manifest (default: the release's page)")
	sums := flag.String("checksums", "", "only write krew's manifest, for the archives of this list of checksums")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	c, err := readConfig(".goreleaser.yaml")
	if err == nil {
		switch {
		case *template:
			err = write(".krew.yaml", c.krewTemplate())
		case *sums != "":
			err = manifest(c, *version, *sums, *out, *base)
		default:
			err = release(ctx, c, *version, *out, *only, *base)
		}
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release builds and packs each platform, and writes checksums and manifest.
func release(ctx context.Context, c config, version, out, only, base string) error {
	platforms, err := c.chosen(only)
	if err != nil {
		return err
	}
	when, err := commitTime(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil { //nolint:gosec // for everybody to read
		return err
	}
	var sums strings.Builder
	checksums := map[platform]string{}
	for _, p := range platforms {
		began := time.Now()
		binary := filepath.Join(out, p.os+"-"+p.arch, c.binary(p))
		if err := compile(ctx, c, p, strings.TrimPrefix(version, "v"), binary); err != nil {
			return err
		}
		archive := filepath.Join(out, c.archive(p))
		sum, err := pack(archive, when, file{c.binary(p), binary, 0o755}, file{"LICENSE", "LICENSE", 0o644})
		if err != nil {
			return err
		}
		checksums[p] = sum
		fmt.Fprintf(&sums, "%s  %s\n", sum, c.archive(p))
		fmt.Printf("%-15s %s %s (%.0f s)\n", p, sum[:12], archive, time.Since(began).Seconds())
	}
	if err := write(filepath.Join(out, c.Checksum.NameTemplate), sums.String()); err != nil {
		return err
	}
	return write(filepath.Join(out, krewName+".yaml"), c.krewManifest(version, base, platforms, checksums))
}

// manifest writes krew's manifest for archives that are built already. Each platform must be in the list.
func manifest(c config, version, list, out, base string) error {
	text, err := os.ReadFile(list) //nolint:gosec // the file that was named
	if err != nil {
		return err
	}
	byName := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) == 2 {
			byName[strings.TrimPrefix(words[1], "*")] = words[0]
		}
	}
	checksums := map[platform]string{}
	for _, p := range c.platforms() {
		if checksums[p] = byName[c.archive(p)]; checksums[p] == "" {
			return fmt.Errorf("%s has no checksum of %s", list, c.archive(p))
		}
	}
	return write(filepath.Join(out, krewName+".yaml"), c.krewManifest(version, base, c.platforms(), checksums))
}

func write(name, text string) error {
	return os.WriteFile(name, []byte(text), 0o644) //nolint:gosec // for everybody to read
}

func compile(ctx context.Context, c config, p platform, version, binary string) error {
	cmd := exec.CommandContext(ctx, "go", c.arguments(version, binary)...) //nolint:gosec // the arguments are those of .goreleaser.yaml
	cmd.Env = append(append(os.Environ(), "GOFLAGS=", "GOOS="+p.os, "GOARCH="+p.arch), c.Builds[0].Env...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build for %s: %w", p, err)
	}
	return nil
}

// commitTime is when the commit was made, which is the time of all files in archives; outside a repository the epoch.
func commitTime(ctx context.Context) (time.Time, error) {
	out, err := exec.CommandContext(ctx, "git", "log", "-1", "--format=%ct").Output()
	if err != nil {
		return time.Unix(0, 0).UTC(), nil //nolint:nilerr // sources without their history can be built too
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("the time of the commit: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}
