package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Media types of the OCI image specification. The layer's says that it is not compressed.
const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar"
)

// Spec is what an image is made of.
type Spec struct {
	// Name and Tag as image references spell them, without the registry.
	Name, Tag string
	// User the container runs as unless the pod says otherwise; root if empty.
	User string
	// Entrypoint is the command.
	Entrypoint []string
	// Layers from the bottom up.
	Layers []Layer
}

// Image is an image whose blobs are all in the layout: what a registry needs to be told.
type Image struct {
	Name     string `json:"name"`
	Tag      string `json:"tag"`
	Digest   string `json:"digest"`
	Manifest []byte `json:"manifest"`
}

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

// Write puts the image's configuration into the layout in dir and returns its manifest.
func Write(dir string, s Spec) (Image, error) {
	type rootfs struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	}
	type run struct {
		User       string   `json:"User,omitempty"`
		Env        []string `json:"Env"`
		Entrypoint []string `json:"Entrypoint"`
	}
	fs := rootfs{Type: "layers"}
	var layers []descriptor
	for _, l := range s.Layers {
		fs.DiffIDs = append(fs.DiffIDs, l.Digest)
		layers = append(layers, descriptor{layerType, l.Digest, l.Size})
	}
	config, err := json.Marshal(struct {
		Architecture string `json:"architecture"`
		OS           string `json:"os"`
		Config       run    `json:"config"`
		RootFS       rootfs `json:"rootfs"`
	}{runtime.GOARCH, "linux", run{
		s.User,
		[]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		s.Entrypoint,
	}, fs})
	if err != nil {
		return Image{}, fmt.Errorf("describe image %s: %w", s.Name, err)
	}
	desc := descriptor{configType, digest(config), int64(len(config))}
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.WriteFile(filepath.Join(blobs, desc.Digest[len("sha256:"):]), config, 0o600); err != nil {
		return Image{}, fmt.Errorf("write the configuration of image %s: %w", s.Name, err)
	}
	manifest, err := json.Marshal(struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Config        descriptor   `json:"config"`
		Layers        []descriptor `json:"layers"`
	}{2, manifestType, desc, layers})
	if err != nil {
		return Image{}, fmt.Errorf("describe image %s: %w", s.Name, err)
	}
	return Image{Name: s.Name, Tag: s.Tag, Digest: digest(manifest), Manifest: manifest}, nil
}

// Push tells the registry at address of the image. The blobs need not travel: the registry serves the layout's own
// blobs folder (crane's registry keeps blobs on disk under algorithm/hash, as a layout does, but manifests in memory
// only, so this is done at each start).
func Push(ctx context.Context, address string, i Image) error {
	url := fmt.Sprintf("http://%s/v2/%s/manifests/%s", address, i.Name, i.Tag)
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(i.Manifest))
	if err != nil {
		return fmt.Errorf("push image %s: %w", i.Name, err)
	}
	req.Header.Set("Content-Type", manifestType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("push image %s: %w", i.Name, err)
	}
	defer resp.Body.Close() //nolint:errcheck // it is only read
	if resp.StatusCode/100 != 2 {
		said, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
		if err != nil {
			return fmt.Errorf("push image %s: %s: %w", i.Name, resp.Status, err)
		}
		return fmt.Errorf("push image %s: %s: %s", i.Name, resp.Status, bytes.TrimSpace(said))
	}
	return nil
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
