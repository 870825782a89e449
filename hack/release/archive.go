package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// file is one file of an archive: its name there, where it is, and its mode.
type file struct {
	name, path string
	mode       fs.FileMode
}

// pack writes a .tar.gz or a .zip that depends on nothing but names, modes, contents and the time, and gives its SHA-256 in hex.
func pack(archive string, when time.Time, files ...file) (string, error) {
	var b bytes.Buffer
	write := tarball
	if strings.HasSuffix(archive, ".zip") {
		write = zipped
	}
	if err := write(&b, when, files); err != nil {
		return "", fmt.Errorf("pack %s: %w", archive, err)
	}
	if err := os.WriteFile(archive, b.Bytes(), 0o644); err != nil { //nolint:gosec // for everybody to read
		return "", err
	}
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:]), nil
}

func tarball(w io.Writer, when time.Time, files []file) error {
	gz := gzip.NewWriter(w)
	t := tar.NewWriter(gz)
	for _, f := range files {
		text, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: int64(f.mode), Size: int64(len(text)), ModTime: when, Format: tar.FormatUSTAR}
		if err := t.WriteHeader(header); err != nil {
			return err
		}
		if _, err := t.Write(text); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return gz.Close()
}

func zipped(w io.Writer, when time.Time, files []file) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		text, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: when}
		header.SetMode(f.mode)
		entry, err := z.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := entry.Write(text); err != nil {
			return err
		}
	}
	return z.Close()
}
