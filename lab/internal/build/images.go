package build

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/image"
)

// imageRecipe is raised when the code below makes other images of the same inputs.
const imageRecipe = "1"

// istioUser is who istiod must run as: its pods demand a user that is not root (runAsNonRoot).
const istioUser = 1337

// makeImages writes all images of the lab into the layout in dir.
func makeImages(dir string, r Record, outsideCA []byte) ([]image.Image, error) {
	base, err := baseLayer(dir, r.Base, outsideCA)
	if err != nil {
		return nil, fmt.Errorf("base image: %w", err)
	}
	bin := func(name string) string { return filepath.Join(r.Bin(), name) }
	layer := func(entries ...image.Entry) image.Layer {
		if err != nil {
			return image.Layer{}
		}
		var l image.Layer
		l, err = oneLayer(dir, entries)
		return l
	}
	pause := layer(image.Entry{Path: "/pause", From: bin("pause"), Mode: 0o755})
	dns := layer(image.Entry{Path: "/coredns", From: bin("coredns"), Mode: 0o755})
	pilot := layer(image.Entry{Path: "/usr/local/bin/pilot-discovery", From: bin("pilot-discovery"), Mode: 0o755})
	proxy := layer(
		image.Entry{Path: "/usr/local/bin/pilot-agent", From: bin("pilot-agent"), Mode: 0o755},
		image.Entry{Path: "/usr/local/bin/envoy", From: r.Envoy, Mode: 0o755},
		// pilot-agent fills this template in and starts Envoy with the result; the chart mounts a writable /etc/istio/proxy.
		image.Entry{Path: "/var/lib/istio/envoy/envoy_bootstrap_tmpl.json", From: filepath.Join(r.Parts, "envoy_bootstrap.json"), Mode: 0o644},
		image.Entry{Path: "/etc/istio/proxy", UID: istioUser, GID: istioUser},
	)
	if err != nil {
		return nil, err
	}
	user := fmt.Sprintf("%d:%d", istioUser, istioUser)
	var images []image.Image
	for _, s := range []image.Spec{
		{Name: "pause", Tag: "lab", Entrypoint: []string{"/pause"}, Layers: []image.Layer{pause}},
		{Name: "coredns", Tag: "lab", Entrypoint: []string{"/coredns"}, Layers: []image.Layer{dns}},
		{Name: "base", Tag: "lab", Entrypoint: []string{"/bin/bash"}, Layers: []image.Layer{base}},
		{Name: "pilot", Tag: "lab", User: user, Entrypoint: []string{"/usr/local/bin/pilot-discovery"}, Layers: []image.Layer{base, pilot}},
		{Name: "proxyv2", Tag: "lab", Entrypoint: []string{"/usr/local/bin/pilot-agent"}, Layers: []image.Layer{base, proxy}},
	} {
		i, err := image.Write(dir, s)
		if err != nil {
			return nil, err
		}
		images = append(images, i)
	}
	return images, nil
}

func oneLayer(dir string, entries []image.Entry) (image.Layer, error) {
	w, err := image.NewWriter(dir)
	if err != nil {
		return image.Layer{}, err
	}
	defer w.Abort() //nolint:errcheck // the first error counts; after Close there is nothing to abort
	if err := w.Add(entries...); err != nil {
		return image.Layer{}, err
	}
	return w.Close()
}

// masters reads the user and group lists that base-passwd's script would have put in place.
func masters(baseTar string) (passwd, group []byte, err error) {
	f, err := os.Open(baseTar) //nolint:gosec // a path that the lab made
	if err != nil {
		return nil, nil, fmt.Errorf("open the base file system: %w", err)
	}
	defer f.Close() //nolint:errcheck // it is only read
	in := tar.NewReader(f)
	for passwd == nil || group == nil {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil, nil, errors.New("the base file system lacks base-passwd's lists of users and groups")
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read the base file system: %w", err)
		}
		var into *[]byte
		switch path.Clean("/" + h.Name) {
		case "/usr/share/base-passwd/passwd.master":
			into = &passwd
		case "/usr/share/base-passwd/group.master":
			into = &group
		default:
			continue
		}
		if *into, err = io.ReadAll(in); err != nil {
			return nil, nil, fmt.Errorf("read %s in the base file system: %w", h.Name, err)
		}
	}
	return passwd, group, nil
}
