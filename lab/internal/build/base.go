package build

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/image"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/shell"
)

// basePackages are what the images are made of: a shell and curl for clients, nginx for the outside world (its stream
// module for SNI proxies), iptables for Istio's init container, libstdc++ for Envoy.
const basePackages = "busybox,curl,ca-certificates,nginx-light,libnginx-mod-stream,openssl,iptables,bash,coreutils,grep,base-passwd,libstdc++6"

// unpackBase has mmdebstrap unpack the packages into one tar. "extract" runs none of the packages' scripts: quick, and
// needs no working chroot; what scripts would have done and is needed here is done by baseLayer.
func unpackBase(ctx context.Context, suite, dest string) error {
	tmp := dest + ".new.tar"
	_, err := shell.Run(ctx, shell.Command{
		Args: []string{"mmdebstrap", "--quiet", "--variant=extract", "--include=" + basePackages, suite, tmp},
		Env:  []string{"SOURCE_DATE_EPOCH=0"},
	})
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, dest); err != nil {
		return fmt.Errorf("put the base file system in place: %w", err)
	}
	return nil
}

// unneeded are folders of the packages that no program reads.
var unneeded = [...]string{
	"/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/", "/usr/share/info/", "/usr/share/lintian/", "/usr/share/perl5/",
	"/usr/share/bash-completion/", "/usr/share/common-licenses/", "/var/cache/", "/var/lib/apt/", "/var/lib/dpkg/", "/dev/",
}

func keepInBase(name string) bool {
	for _, dir := range unneeded {
		if strings.HasPrefix(name+"/", dir) {
			return false
		}
	}
	return true
}

// applets are commands that people type in a shell and Debian keeps in packages of their own; busybox has them all.
var applets = [...]string{"awk", "find", "ip", "nc", "netstat", "nslookup", "ping", "ps", "sed", "tar", "top", "vi", "wget"}

// baseLayer makes the layer that all images but CoreDNS's and the pause container's stand on.
func baseLayer(dir, baseTar string, outsideCA []byte) (image.Layer, error) {
	passwd, group, err := masters(baseTar)
	if err != nil {
		return image.Layer{}, err
	}
	w, err := image.NewWriter(dir)
	if err != nil {
		return image.Layer{}, err
	}
	defer w.Abort() //nolint:errcheck // the first error counts; after Close there is nothing to abort
	if err := w.Add(
		image.Entry{Path: "/tmp", Mode: 0o1777},
		image.Entry{Path: "/etc/passwd", Data: passwd},
		image.Entry{Path: "/etc/group", Data: group},
		image.Entry{Path: "/etc/nsswitch.conf", Data: []byte("hosts: files dns\n")},
		// Debian's ca-certificates is unpacked, not configured, so there is no bundle. Since 1.21 Istio's proxies verify
		// servers with it; the CA of the lab's outside world is the only one, because nothing else can be reached.
		image.Entry{Path: "/etc/ssl/certs/ca-certificates.crt", Data: outsideCA},
	); err != nil {
		return image.Layer{}, err
	}
	f, err := os.Open(baseTar) //nolint:gosec // a path that the lab made
	if err != nil {
		return image.Layer{}, fmt.Errorf("open the base file system: %w", err)
	}
	defer f.Close() //nolint:errcheck // it is only read
	if err := w.Copy(f, keepInBase); err != nil {
		return image.Layer{}, err
	}
	if err := links(w); err != nil {
		return image.Layer{}, err
	}
	return w.Close()
}

// links are what the packages' scripts would have made: a shell called sh, the alternatives of iptables, busybox's names.
func links(w *image.Writer) error {
	want := map[string]string{"/bin/sh": "bash"}
	order := []string{"/bin/sh"}
	link := func(path, to string) {
		want[path] = to
		order = append(order, path)
	}
	for _, tool := range []string{"iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"} {
		link("/usr/sbin/"+tool, "xtables-nft-multi")
	}
	box := "/bin/busybox"
	if !w.Has(box) { // merged /usr
		box = "/usr/bin/busybox"
	}
	for _, a := range applets {
		link("/usr/local/bin/"+a, box)
	}
	for _, path := range order {
		// With a merged /usr, /bin is a link itself and its content lies below /usr.
		if w.Has(path) || w.Has("/usr"+path) || (strings.HasPrefix(path, "/usr/local/bin/") && provided(w, filepath.Base(path))) {
			continue
		}
		if err := w.Add(image.Entry{Path: mergedPath(w, path), Link: want[path]}); err != nil {
			return err
		}
	}
	return nil
}

func provided(w *image.Writer, program string) bool {
	for _, dir := range []string{"/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/"} {
		if w.Has(dir + program) {
			return true
		}
	}
	return false
}

func mergedPath(w *image.Writer, path string) string {
	if strings.HasPrefix(path, "/bin/") && !w.Has("/bin/bash") {
		return "/usr" + path
	}
	return path
}
