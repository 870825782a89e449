package plugin

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kubectl-egress/kubectl-egress/apply/install"
	"github.com/kubectl-egress/kubectl-egress/apply/pki"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// material are the flags that say where a credential comes from: files, or nowhere and it is made.
type material struct {
	cert, key, ca string // files; - is stdin
	selfSigned    bool
	dns           []string // hosts of the server's certificate
	out           string   // directory

	hosts []egress.Host // dns, checked
}

// maxPart bounds what is read of one file, in bytes: all of a Secret holds no more.
const maxPart = 1 << 20

// fileCAKey is the document's name for the key of the CA.
const fileCAKey = "example.com.key"

// clockSkew is how far a clock in the cluster may be behind without finding a new certificate not yet valid.
const clockSkew = time.Hour

func (m *material) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&m.cert, "cert", "", "File with the client's certificate and the intermediate ones after it, in PEM; - is stdin")
	f.StringVar(&m.key, "key", "", "File with its private key, in PEM and not encrypted; - is stdin")
	f.StringVar(&m.ca, "ca", "", "File with the CA of the outside server, in PEM: the gateway knows the server by it; not the CA of the client's certificate, "+
		"unless they are the same; - is stdin")
	f.BoolVar(&m.selfSigned, "self-signed", false, "For trying out: make a CA, and certificates of a client and a server signed by it, valid for a year")
	f.StringSliceVar(&m.dns, "dns", nil, "With --self-signed: hosts of the server's certificate (default "+defaultTrialHost()+")")
	f.StringVar(&m.out, "out", "", "With --self-signed: directory for the files of the CA, the server and the client; without it the server's and the CA's key are lost")
}

// defaultTrialHost is the document's server.
func defaultTrialHost() string {
	return install.ServerHost(install.DefaultServerNamespace, "cluster.local")
}

// check settles which of the two ways it is.
func (m *material) check(cmd *cobra.Command) (err error) {
	files := []struct{ flag, value string }{{"cert", m.cert}, {"key", m.key}, {"ca", m.ca}}
	if !m.selfSigned {
		stdin := 0
		for _, f := range files {
			if f.value == "" {
				return usagef(cmd, "--%s is missing; name files with --cert, --key and --ca, or say --self-signed to try out", f.flag)
			}
			if f.value == "-" {
				stdin++
			}
		}
		switch {
		case stdin > 1:
			return usagef(cmd, "only one of --cert, --key and --ca can be -, stdin")
		case len(m.dns) > 0 || m.out != "":
			return usagef(cmd, "--dns and --out go with --self-signed only")
		}
		return nil
	}
	for _, f := range files {
		if f.value != "" {
			return usagef(cmd, "choose one: --%s or --self-signed", f.flag)
		}
	}
	if len(m.dns) == 0 {
		m.dns = []string{defaultTrialHost()}
	}
	m.hosts, err = egress.ParseHosts(m.dns)
	return err
}

// read gives the credential: the files' content, or a new one together with the files to be kept.
func (m *material) read(t *tool, now time.Time) (pki.Credential, []file, error) {
	if m.selfSigned {
		return m.make(now)
	}
	c := pki.Credential{CertName: m.cert, KeyName: m.key, CAName: m.ca}
	for _, part := range []struct {
		flag, name string
		text       *[]byte
	}{{"cert", m.cert, &c.Cert}, {"key", m.key, &c.Key}, {"ca", m.ca, &c.CA}} {
		text, err := t.readPart(part.flag, part.name)
		if err != nil {
			return c, nil, err
		}
		*part.text = text
	}
	for _, name := range []*string{&c.CertName, &c.KeyName, &c.CAName} {
		if *name == "-" {
			*name = "stdin"
		}
	}
	return c, nil, nil
}

// readPart reads a file that must fit a Secret.
func (t *tool) readPart(flag, name string) ([]byte, error) {
	in, done, err := t.open(name)
	if err != nil {
		return nil, egress.Inputf("--%s: %v", flag, err)
	}
	defer done()
	text, err := io.ReadAll(io.LimitReader(in, maxPart+1))
	switch {
	case err != nil:
		return nil, egress.Inputf("--%s: %v", flag, err)
	case len(text) > maxPart:
		return nil, egress.Inputf("--%s: %s has more than %d bytes; a Secret holds no more", flag, name, maxPart)
	}
	return text, nil
}

// make does what the document's openssl steps do.
func (m *material) make(now time.Time) (pki.Credential, []file, error) {
	names := make([]string, 0, len(m.hosts))
	for _, h := range m.hosts {
		names = append(names, string(h))
	}
	trial, err := pki.Trial(names, now.Add(-clockSkew), now.Add(certValid))
	if err != nil {
		return pki.Credential{}, nil, err
	}
	c := pki.Credential{Cert: trial.Client.CertPEM, Key: trial.Client.KeyPEM, CA: trial.CA.CertPEM}
	if m.out == "" {
		return c, nil, nil
	}
	server := strings.ReplaceAll(names[0], "*", "_")
	var files []file
	for _, f := range []file{
		{fileCA, trial.CA.CertPEM},
		{fileCAKey, trial.CA.KeyPEM},
		{server + ".crt", trial.Server.CertPEM},
		{server + ".key", trial.Server.KeyPEM},
		{fileClientCert, trial.Client.CertPEM},
		{fileClientKey, trial.Client.KeyPEM},
	} {
		files = append(files, file{filepath.Join(m.out, f.path), f.text})
	}
	return c, files, free(files)
}

// free refuses files that are there: one set of certificates must not be mixed with another.
func free(files []file) error {
	for _, f := range files {
		_, err := os.Lstat(f.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return egress.Inputf("--out: %v", err)
		default:
			return egress.Inputf("%s is there already; use what is there with --cert, --key and --ca, or name another --out", f.path)
		}
	}
	return nil
}

// keep writes files that only their owner may read and that were not there. What it wrote before an error it takes away again.
func keep(files []file) (err error) {
	if len(files) == 0 {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(files[0].path), 0o700); err != nil {
		return egress.Inputf("--out: %v", err)
	}
	var made []string
	defer func() {
		for _, path := range made {
			if err != nil {
				err = errors.Join(err, os.Remove(path))
			}
		}
	}()
	for _, f := range files {
		out, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return egress.Inputf("--out: %v", err)
		}
		made = append(made, f.path)
		_, err = out.Write(f.text)
		if err := errors.Join(err, out.Close()); err != nil {
			return fmt.Errorf("write %s: %w", f.path, err)
		}
	}
	return nil
}
